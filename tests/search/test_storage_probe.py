"""The folder of a study is the same on every machine of the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray

from mlctl_ray.errors import InputError
from mlctl_ray.search import nodes


def probe(folder: Path, node: str) -> str | None:
    """What one machine says of the folder."""
    function: Any = nodes._probe._function
    problem: str | None = function(str(folder), node)[1]
    return problem


def test_machine_that_sees_the_drivers_file_writes_its_own(tmp_path: Path) -> None:
    (tmp_path / "driver").write_text("driver", encoding="utf-8")
    assert probe(tmp_path, "node") is None
    assert (tmp_path / "node").is_file()


def test_machine_that_does_not_see_it_or_cannot_write_says_so(tmp_path: Path) -> None:
    assert probe(tmp_path / "elsewhere", "node") == "it does not see the driver's files"
    assert probe(tmp_path, "node") == "it does not see the driver's files"
    (tmp_path / "driver").write_text("driver", encoding="utf-8")
    (tmp_path / "node").mkdir()
    assert probe(tmp_path, "node") == "it cannot write there (Is a directory)"


@pytest.mark.slow
def test_real_machine_is_asked_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        nodes.check_shared(tmp_path)
        assert list(tmp_path.iterdir()) == []
        monkeypatch.setattr(nodes, "_probe", _lost)
        with pytest.raises(InputError, match="its files are not seen here") as caught:
            nodes.check_shared(tmp_path)
        assert str(caught.value).startswith("study.storage: ")
        assert list(tmp_path.iterdir()) == []
    finally:
        ray.shutdown()


@ray.remote
def _lost(folder: str, node: str) -> tuple[str, str | None]:
    """A machine that writes into a folder of its own under the same path."""
    return "other-host", None
