"""The bootstrap and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.report.statistics import bootstrap, holm, percentile


def signs(seeds: int, tables: int, examples: int, *, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.sign(rng.normal(shift, 1, (seeds, tables, examples))).astype(np.float32)


def test_one_seed_gives_the_standard_error_over_examples() -> None:
    differences = signs(1, 2, 400)
    drawn = bootstrap(differences)
    expected = differences[0].std(axis=1) / np.sqrt(400)
    np.testing.assert_allclose(drawn.std(axis=0), expected, rtol=0.08)
    np.testing.assert_allclose(drawn.mean(axis=0), differences[0].mean(axis=1), atol=0.005)


def test_repeating_a_seed_does_not_shrink_the_interval() -> None:
    one = signs(1, 1, 400)
    same = np.repeat(one, 4, axis=0)
    assert bootstrap(same).std() == pytest.approx(bootstrap(one).std(), rel=0.08)


def test_seeds_that_differ_widen_the_interval() -> None:
    differences = np.zeros((4, 1, 200), np.float32)
    differences[:2] = 1.0
    drawn = bootstrap(differences)
    # Seed means are 1, 1, 0, 0: standard deviation 0.5, of the mean of four 0.25.
    assert drawn.std() == pytest.approx(0.25, rel=0.08)


def test_tables_share_the_draw_of_examples() -> None:
    one = signs(1, 1, 300)
    drawn = bootstrap(np.repeat(one, 5, axis=1))
    np.testing.assert_array_equal(drawn, np.repeat(drawn[:, :1], 5, axis=1))


def test_chunks_do_not_change_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = signs(3, 2, 200, shift=0.3)
    whole = bootstrap(differences)
    monkeypatch.setattr("mlctl_ray.report.statistics._CHUNK_CELLS", 200 * 300)
    pieces = bootstrap(differences)
    assert pieces.shape == whole.shape
    np.testing.assert_allclose(
        np.quantile(pieces, [0.025, 0.975], axis=0),
        np.quantile(whole, [0.025, 0.975], axis=0),
        atol=0.02,
    )


def test_p_value_and_interval() -> None:
    result = percentile(np.linspace(-1.0, 3.0, 2000))
    assert (result.low, result.high) == pytest.approx((-0.9, 2.9))
    assert result.p == pytest.approx(2 * 501 / 2001)
    assert percentile(np.zeros(2000)).p == 1.0
    assert percentile(np.ones(2000)).p == pytest.approx(2 / 2001)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    count = len(p_values)
    for mine, p in zip(adjusted, p_values, strict=True):
        steps = [
            (count - sum(q < other for q in p_values)) * other for other in p_values if other <= p
        ]
        assert mine == pytest.approx(min(1.0, max(steps)))
