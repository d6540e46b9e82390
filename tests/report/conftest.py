"""A real MLflow SQLite store for each study, and a report that several tests read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_study import StudyWriter, confirmed_study

from mlctl_ray.report import ReportFiles, build_report
from mlctl_ray.tracking import Tracker


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and nothing else; made once, since MLflow takes seconds for it."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    Tracker(f"sqlite:///{path}", "creates the tables")
    return path


@pytest.fixture(scope="session")
def new_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Folders, each with its own empty store."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("study")
        shutil.copy(empty_store, folder / "mlflow.db")
        return folder

    return make


@pytest.fixture
def store(new_store: Callable[[], Path]) -> Path:
    return new_store()


@pytest.fixture(scope="session")
def large_effect(new_store: Callable[[], Path]) -> tuple[StudyWriter, ReportFiles]:
    """A confirmed study with an effect of 15 points on each zero-shot language, and its report."""
    study = confirmed_study(new_store(), effect=0.15)
    return study, build_report(tracking_uri=study.uri, output=study.folder / "reports")
