"""Both kinds of tracking store that users have, each real: a SQLite file and a server."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow_server import MlflowServer

from mlctl_ray.tracking import Tracker
from mlctl_ray.tracking.uri import sqlite_uri


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and nothing else; made once, since MLflow takes seconds for it."""
    # A folder name with everything that a URI could stumble over.
    path = tmp_path_factory.mktemp("a b%20#c?é", numbered=False) / "mlflow.db"
    Tracker(sqlite_uri(path), "creates the tables")
    return path


@pytest.fixture(scope="session")
def sqlite_store(empty_database: Path) -> str:
    return sqlite_uri(Path(shutil.copy(empty_database, empty_database.with_name("used.db"))))


@pytest.fixture(scope="session")
def server_store(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder)
    server = MlflowServer(folder)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(params=["sqlite", "server"])
def store(request: pytest.FixtureRequest) -> str:
    """URI of each backend in turn."""
    uri: str = request.getfixturevalue(f"{request.param}_store")
    return uri


@pytest.fixture
def own_server(empty_database: Path, tmp_path: Path) -> Iterator[MlflowServer]:
    """A server of this test alone, which may stop, kill and restart it."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    server = MlflowServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Names that no other test uses, since the stores are shared."""
    return lambda: f"study-{uuid.uuid4().hex[:12]}"
