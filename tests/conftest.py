"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Read when `datasets` is imported: local test data must not end in the user's own cache.
_CACHE = tempfile.TemporaryDirectory(prefix="mlctl-ray-tests-")
os.environ["HF_DATASETS_CACHE"] = _CACHE.name


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data: MLCTL_SHARED_DATA, else `../shared/data` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MLCTL_SHARED_DATA", default))
    if not (folder / "xnli").is_dir():
        pytest.skip(f"no real data at {folder}; set MLCTL_SHARED_DATA")
    return folder
