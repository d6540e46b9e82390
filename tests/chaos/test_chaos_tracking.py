"""The tracking server is away for minutes in the middle of a search."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disturbed import NAME, Arena, Driver, Facts
from mlflow_server import MlflowServer

from mlctl_ray.tracking import RunState, StudyReader

OUTAGE_S = 120


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_outage_of_two_minutes_loses_and_doubles_nothing(
    arena: Arena, undisturbed: Facts, server: MlflowServer
) -> None:
    driver = arena.driver("--tracking-uri", server.url)
    assert driver.wait_for("trial-0001 step 12/")
    server.kill()
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
    arena: Arena, undisturbed: Facts, server: MlflowServer
) -> None:
    driver: Driver = arena.driver("--tracking-uri", server.url)
    assert driver.wait_for("trial-0001 step 12/")
    server.kill()
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
