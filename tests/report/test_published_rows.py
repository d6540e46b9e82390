from __future__ import annotations

import pytest

from mlctl_ray.report.published import LANGUAGES, PUBLISHED, published_rows
from mlctl_ray.report.values import Published


@pytest.mark.parametrize("row", [row for row in PUBLISHED if len(row.accuracy) == 15])
def test_printed_average_is_the_mean_of_the_row(row: Published) -> None:
    mean = sum(row.accuracy.values()) / 15
    if row.average is None:
        assert mean == pytest.approx(70.16, abs=0.01)  # LASER: no printed average
    else:
        # The two XLM-100 averages look swapped in the source, and say so.
        assert abs(mean - row.average) < (0.7 if "swapped" in row.note else 0.06)


def test_recalled_rows_are_absent() -> None:
    assert all(not row.accuracy for row in PUBLISHED if row.system.startswith(("mT5", "InfoXLM")))
    assert all(row.source for row in PUBLISHED)


def test_rows_are_for_xnli_only() -> None:
    assert published_rows("xnli", ("en", "de")) == PUBLISHED
    assert published_rows("embedded", LANGUAGES) == ()
    assert published_rows("xnli", ("qq",)) == ()
    assert published_rows(None, LANGUAGES) == ()
