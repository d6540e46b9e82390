"""Both kinds of tracking store that users have, each real: a SQLite file and a server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(f"{url}/health", server, folder / "log")
        yield url
    finally:
        # The group of the process started here: the server's own workers belong to it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)


@pytest.fixture(params=["sqlite", "server"])
def store(request: pytest.FixtureRequest) -> str:
    """URI of each backend in turn."""
    uri: str = request.getfixturevalue(f"{request.param}_store")
    return uri


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Names that no other test uses, since the stores are shared."""
    return lambda: f"study-{uuid.uuid4().hex[:12]}"


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(450):
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.2)
    pytest.fail(f"the MLflow server did not come up:\n{log.read_text()[-2000:]}")
