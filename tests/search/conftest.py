"""One small study, run once for all tests of the search."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import Done, Place, RanStudy, descendants


@pytest.fixture(scope="session")
def tokenised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data cache that all small studies share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path: Path, tokenised: Path) -> Place:
    """A fresh working directory."""
    return Place(tmp_path, tokenised)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, tokenised: Path) -> RanStudy:
    """The small study, run once by its command."""
    place = Place(tmp_path_factory.mktemp("study"), tokenised)
    process = place.start("tiny.yaml")
    assert process.stdout is not None
    lines, below = [], []
    for line in process.stdout:
        lines.append(line)
        if "trial-0001 started" in line:
            below = descendants(process.pid)
    assert process.stderr is not None
    err = process.stderr.read()
    return RanStudy(place, Done(process.wait(timeout=60), "".join(lines), err), below)
