"""The tracking server is away for minutes in the middle of a search."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from disturbed import NAME, Arena, Driver, Facts

from mlctl_ray.tracking import RunState, StudyReader

OUTAGE_S = 120


class Server:
    """An MLflow server on a database, which can go away and come back at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder}/server.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **off}, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(450):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health"):
                return
            time.sleep(0.2)
        pytest.fail("the MLflow server did not come up")

    def stop(self) -> None:
        """SIGKILL it, as a machine that goes away does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_outage_of_two_minutes_loses_and_doubles_nothing(
    arena: Arena, undisturbed: Facts, server: Server
) -> None:
    driver = arena.driver("--tracking-uri", server.url)
    assert driver.wait_for("trial-0001 step 12/")
    server.stop()
    time.sleep(OUTAGE_S)
    server.start()
    done = driver.to_end(500)
    assert done.code == 0, done.err
    # A server that starts up on a busy machine may be slow to answer once more.
    said = sum("does not answer" in line for line in done.out.splitlines())
    assert 1 <= said == sum("waiting updates" in line for line in done.out.splitlines())
    arena.tracking_uri = server.url
    after = arena.facts()
    assert after == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_results_that_could_not_be_delivered_are_by_the_next_driver(
    arena: Arena, undisturbed: Facts, server: Server
) -> None:
    driver: Driver = arena.driver("--tracking-uri", server.url)
    assert driver.wait_for("trial-0001 step 12/")
    server.stop()
    assert driver.wait_for("trial-0003 started")
    driver.process.send_signal(signal.SIGTERM)
    stopped = driver.to_end(200)
    assert stopped.code == 130
    assert "--resume" in stopped.err
    server.start()
    before = StudyReader(server.url).read(NAME)
    assert before.trials[1].state is RunState.RUNNING, "the store could not be told"
    done = arena.search("--tracking-uri", server.url)
    assert done.code == 0, done.err
    arena.tracking_uri = server.url
    assert arena.facts() == undisturbed
