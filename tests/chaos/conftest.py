"""A study that is disturbed, and the same study undisturbed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from disturbed import Arena, Facts


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data cache of all studies of the suite."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def arena(tmp_path: Path, shared_cache: Path) -> Arena:
    """A fresh working directory."""
    return Arena(tmp_path, shared_cache)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Facts:
    """What the study gives when nothing happens to it."""
    place = Arena(tmp_path_factory.mktemp("undisturbed"), shared_cache)
    done = place.search()
    assert done.code == 0, done.err
    return place.facts()
