"""Outages of real stores, and kills of the writer: nothing is lost, nothing is doubled."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow_server import MlflowServer
from run_documents import document, expected, held, write

from mlctl_ray.tracking import (
    Publisher,
    RunDocument,
    RunState,
    StudyReader,
    Tracker,
    patience,
)
from mlctl_ray.tracking.uri import sqlite_uri

NewName = Callable[[], str]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_stops_in_mid_stream(
    own_server: MlflowServer, new_name: NewName, tmp_path: Path, number: signal.Signals
) -> None:
    tracker = Tracker(own_server.url, new_name())
    study = tracker.start_study({})
    documents: dict[str, RunDocument] = {}
    lines: list[str] = []
    publisher = Publisher(tracker, study, tmp_path / "cursors", documents.get, lines.append)

    def grow(steps: int, state: RunState = RunState.RUNNING) -> None:
        for run in range(3):
            documents[f"trial-{run:04d}"] = document(run, steps, state)
            publisher.changed(f"trial-{run:04d}")

    grow(4)
    wait_until(lambda: publisher._writes > 6)
    own_server.signal(number)
    grow(8)
    wait_until(lambda: bool(lines))
    assert set(publisher.flush(0.5)) >= {"trial-0000", "trial-0001", "trial-0002"}
    grow(9, RunState.FINISHED)
    publisher.set_study_tags({"best": "2"})
    publisher.finish_study(RunState.FINISHED)
    if number == signal.SIGSTOP:
        own_server.signal(signal.SIGCONT)
    else:
        own_server.kill()
        own_server.start()
    assert publisher.flush(40) == ()
    publisher.close()

    assert held(own_server.url, study) == {f"trial-{n:04d}": expected(n, 9) for n in range(3)}
    found = StudyReader(own_server.url).read(tracker.experiment)
    assert {trial.state for trial in found.trials} == {RunState.FINISHED}
    assert (found.study.state, found.study.tags["best"]) == (RunState.FINISHED, "2")
    assert lines[0] == (
        f"tracking: {own_server.url} does not answer; results wait on disk and will be delivered"
    )
    assert lines[1].startswith("tracking: delivered ")
    assert len(lines) == 2


@pytest.mark.slow
def test_a_request_for_a_new_run_whose_answer_is_lost(
    own_server: MlflowServer, new_name: NewName, tmp_path: Path
) -> None:
    tracker = Tracker(own_server.url, new_name())
    study = tracker.start_study({})
    lines: list[str] = []
    documents = {f"trial-{n:04d}": document(n, 2, RunState.FINISHED) for n in range(3)}
    publisher = Publisher(tracker, study, tmp_path / "cursors", documents.get, lines.append)
    publisher.changed("trial-0000")
    assert publisher.flush(20) == ()
    # The server keeps the request in its socket and carries it out when it goes on.
    own_server.signal(signal.SIGSTOP)
    for name in documents:
        publisher.changed(name)
    wait_until(lambda: bool(lines))
    own_server.signal(signal.SIGCONT)
    publisher.finish_study(RunState.FINISHED)
    assert publisher.flush(40) == ()
    publisher.close()
    assert held(own_server.url, study) == {f"trial-{n:04d}": expected(n, 2) for n in range(3)}


@pytest.mark.slow
def test_a_database_that_is_emptied_behind_the_server(
    own_server: MlflowServer, empty_database: Path, new_name: NewName, tmp_path: Path
) -> None:
    tracker = Tracker(own_server.url, new_name())
    study = tracker.start_study({"trials": 2}, {"selection": "source"})
    documents = {f"trial-{n:04d}": document(n, 3, RunState.FINISHED) for n in range(2)}
    lines: list[str] = []
    publisher = Publisher(tracker, study, tmp_path / "cursors", documents.get, lines.append)
    for name in documents:
        publisher.changed(name)
    publisher.set_study_tags({"best": "1"})
    assert publisher.flush(20) == ()

    own_server.kill()
    shutil.copy(empty_database, own_server.database)
    own_server.start()
    # Another experiment takes the number that the study's had.
    Tracker(own_server.url, new_name()).start_study({})
    documents["trial-0001"] = document(1, 4, RunState.INTERRUPTED)
    publisher.changed("trial-0001")
    publisher.changed("trial-0000")
    publisher.finish_study(RunState.FINISHED)
    assert publisher.flush(40) == ()
    publisher.close()
    assert publisher.study_run != study
    assert held(own_server.url, publisher.study_run) == {
        "trial-0000": expected(0, 3),
        "trial-0001": expected(1, 4),
    }
    found = StudyReader(own_server.url).read(tracker.experiment)
    assert found.study.params == {"trials": "2"}
    assert (found.study.tags["best"], found.study.tags["selection"]) == ("1", "source")
    assert found.study.state is RunState.FINISHED


def test_a_locked_database(empty_database: Path, new_name: NewName, tmp_path: Path) -> None:
    path = Path(shutil.copy(empty_database, tmp_path / "mlflow.db"))
    tracker = Tracker(sqlite_uri(path), new_name())
    study = tracker.start_study({})
    documents: dict[str, RunDocument] = {"trial-0000": document(0, 30)}
    lines: list[str] = []
    publisher = Publisher(tracker, study, tmp_path / "cursors", documents.get, lines.append)
    publisher.changed("trial-0000")
    wait_until(lambda: publisher._writes > 3)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        documents["trial-0001"] = document(1, 2, RunState.PRUNED)
        publisher.changed("trial-0001")
        assert publisher.flush(2) == ("trial-0000", "trial-0001")
        other.execute("ROLLBACK")
    assert publisher.flush(20) == ()
    publisher.close()
    assert held(tracker.uri, study) == {"trial-0000": expected(0, 30), "trial-0001": expected(1, 2)}


@pytest.mark.slow
def test_a_database_locked_for_longer_than_mlflow_waits(
    empty_database: Path, new_name: NewName, tmp_path: Path
) -> None:
    path = Path(shutil.copy(empty_database, tmp_path / "mlflow.db"))
    tracker = Tracker(sqlite_uri(path), new_name())
    study = tracker.start_study({})
    lines: list[str] = []
    documents = {"trial-0000": document(0, 3, RunState.FINISHED)}
    publisher = Publisher(tracker, study, tmp_path / "cursors", documents.get, lines.append)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        publisher.changed("trial-0000")
        wait_until(lambda: bool(lines))
        other.execute("ROLLBACK")
    assert publisher.flush(30) == ()
    publisher.close()
    assert "does not answer" in lines[0]
    assert lines[1].startswith("tracking: delivered ")
    assert held(tracker.uri, study) == {"trial-0000": expected(0, 3)}


def test_closing_does_not_wait_for_a_store_that_hangs(
    empty_database: Path, new_name: NewName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A request that would hang for longer than the test may take.
    monkeypatch.setitem(patience._WANTED, "MLFLOW_HTTP_REQUEST_TIMEOUT", "600")
    # A listening socket that nobody accepts from takes the request and never answers.
    tracker = Tracker(sqlite_uri(Path(shutil.copy(empty_database, tmp_path))), new_name())
    study = tracker.start_study({})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tracker.uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracker._client = MlflowClient(tracker.uri)
        documents = {"trial-0000": document(0, 1)}
        publisher = Publisher(tracker, study, tmp_path / "cursors", documents.get, print)
        publisher.changed("trial-0000")
        publisher.finish_study(RunState.FINISHED)
        assert publisher.flush(0.3) == ("trial-0000", "<study>")
        closed = threading.Thread(target=publisher.close)
        closed.start()
        closed.join(120)
        assert not closed.is_alive()
    # What waited for the study is on disk, and the next process delivers it.
    tracker = Tracker(sqlite_uri(tmp_path / "mlflow.db"), tracker.experiment)
    again = Publisher(tracker, study, tmp_path / "cursors", documents.get, print)
    again.changed("trial-0000")
    assert again.flush(20) == ()
    again.close()
    assert held(tracker.uri, study) == {"trial-0000": expected(0, 1)}
    assert tracker.record(study).state is RunState.FINISHED


@pytest.mark.slow
def test_kills_at_any_moment(store: str, new_name: NewName, tmp_path: Path) -> None:
    random_moment = random.Random(5)
    tracker = Tracker(store, new_name())
    study = tracker.start_study({})
    folder = tmp_path / "documents"
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("publisher_process.py")), store]
    command += [tracker.experiment, study, str(folder), str(tmp_path / "cursors")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    steps = dict.fromkeys(range(4), 0)
    killed = 0
    for attempt in range(8):
        for run in steps:
            steps[run] += 1 + random_moment.randrange(3)
            ended = RunState.INTERRUPTED if (attempt + run) % 3 == 0 else RunState.RUNNING
            write(folder, run, steps[run], ended)
        with start() as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(random_moment.uniform(0, 0.6))
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
    assert killed >= 4
    for run in steps:
        write(folder, run, steps[run], RunState.FINISHED)
    with start() as process:
        assert process.communicate()[0] == "begun\nleft\n"
    assert held(store, study) == {f"trial-{n:04d}": expected(n, steps[n]) for n in steps}
    found = tracker.find_children(study)
    assert {run.state for run in found.values()} == {RunState.FINISHED}
    assert all(len(run.params) == 2 for run in found.values())
