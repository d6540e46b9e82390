"""The reader returns what the tracker wrote, on both kinds of store."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlctl_ray.errors import InputError
from mlctl_ray.tracking import Role, RunState, StudyReader, Tracker, queries
from mlctl_ray.tracking.uri import sqlite_uri

NewName = Callable[[], str]


@pytest.fixture
def tracker(store: str, new_name: NewName) -> Tracker:
    return Tracker(store, new_name())


@pytest.fixture
def reader(store: str, tracker: Tracker) -> StudyReader:
    # After the tracker, which creates the SQLite file.
    return StudyReader(store)


def test_a_whole_study(tracker: Tracker, reader: StudyReader) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    study = tracker.start_study({"study.trials": 3, "study.name": "Größe"}, {"selection": "source"})
    states = {2: RunState.FAILED, 0: RunState.FINISHED, 1: RunState.PRUNED, 10: RunState.FINISHED}
    for number, state in states.items():
        run = tracker.start_trial(study, number=number, name=f"t{number}", params={"x": number})
        tracker.log_metrics(run, {"validation/xnli/mean": number / 10}, step=5)
        tracker.finish(run, state)
    for variant, seed in (("none", 1), ("multi", 0), ("none", 0)):
        tracker.start_replicate(study, variant=variant, seed=seed, name="r", params={})
    tracker.start_run("beside the study", {})
    tracker.finish(study, RunState.FINISHED)

    found = reader.read(tracker.experiment)
    assert found.name == tracker.experiment
    assert found.study.run_id == study
    assert (found.study.role, found.study.state) == (Role.STUDY, RunState.FINISHED)
    assert found.study.params == {"study.trials": "3", "study.name": "Größe"}
    assert found.study.tags["selection"] == "source"
    assert [trial.number for trial in found.trials] == [0, 1, 2, 10]
    assert {t.number: t.state for t in found.trials} == states
    assert [trial.metrics for trial in found.trials] == [
        {"validation/xnli/mean": value} for value in (0.0, 0.1, 0.2, 1.0)
    ]
    assert [(r.variant, r.seed) for r in found.replicates] == [
        ("multi", 0),
        ("none", 0),
        ("none", 1),
    ]
    assert {r.state for r in found.replicates} == {RunState.RUNNING}
    trial = found.trials[0]
    assert trial.started is not None
    assert trial.ended is not None
    assert before <= trial.started <= trial.ended <= datetime.now(UTC)
    assert pickle.loads(pickle.dumps(found)) == found


def test_reading_while_running(tracker: Tracker, reader: StudyReader) -> None:
    study = tracker.start_study({})
    trial = tracker.start_trial(study, number=0, name="t0", params={})
    tracker.log_metrics(trial, {"train/loss/total": 2.0}, step=1)
    first = reader.read(tracker.experiment)
    tracker.log_metrics(trial, {"train/loss/total": math.nan}, step=2)
    tracker.finish(trial, RunState.PRUNED)
    second = reader.read(tracker.experiment)

    assert (first.study.state, first.study.ended) == (RunState.RUNNING, None)
    assert (first.trials[0].state, first.trials[0].ended) == (RunState.RUNNING, None)
    assert first.trials[0].metrics == {"train/loss/total": 2.0}
    assert second.trials[0].state is RunState.PRUNED
    assert math.isnan(second.trials[0].metrics["train/loss/total"])
    tracker.resume(trial)
    assert reader.read(tracker.experiment).trials[0].ended is None


def test_a_run_killed_by_hand_is_failed(tracker: Tracker, reader: StudyReader) -> None:
    study = tracker.start_study({})
    trial = tracker.start_trial(study, number=0, name="t0", params={})
    tracker._client.set_terminated(trial, "KILLED")
    assert reader.read(tracker.experiment).trials[0].state is RunState.FAILED


def test_history_is_by_step_with_the_last_value(tracker: Tracker, reader: StudyReader) -> None:
    run = tracker.start_run("once", {})
    for step, value in ((20, 0.2), (10, 0.1), (20, 0.15), (30, 0.3)):
        tracker.log_metrics(run, {"m": value}, step=step)
    assert reader.history(run, "m") == ((10, 0.1), (20, 0.15), (30, 0.3))
    assert reader.history(run, "absent") == ()


def test_artifacts_come_back(tracker: Tracker, reader: StudyReader, tmp_path: Path) -> None:
    run = tracker.start_run("once", {})
    for name in ("en.parquet", "de.parquet"):
        (tmp_path / name).write_bytes(name.encode())
    tracker.log_artifacts(run, tmp_path, "predictions/test")
    tracker.log_text(run, "seed: 1", "config.yaml")

    def content(path: str) -> bytes:
        found = reader.artifact(run, path)
        assert found is not None
        return found.read_bytes()

    assert content("config.yaml") == b"seed: 1"
    assert content("predictions/test/de.parquet") == b"de.parquet"
    assert content("predictions/test/de.parquet") == b"de.parquet"
    folder = reader.artifact(run, "predictions/test")
    assert folder is not None
    assert {path.name for path in folder.iterdir()} == {"en.parquet", "de.parquet"}
    assert reader.artifact(run, "predictions/test/fr.parquet") is None
    assert reader.artifact(run, "absent/fr.parquet") is None
    for path in ("../other", "/etc/passwd", ""):
        with pytest.raises(InputError, match="artifact"):
            reader.artifact(run, path)


def test_the_newest_study_wins(store: str, new_name: NewName) -> None:
    older, newer = Tracker(store, new_name()), Tracker(store, new_name())
    older.start_study({"run": 1})
    newer.start_study({})
    reader = StudyReader(store)
    assert reader.read().name == newer.experiment
    assert reader.studies()[:2] == (newer.experiment, older.experiment)
    again = older.start_study({"run": 2})
    assert reader.studies()[:2] == (older.experiment, newer.experiment)
    assert reader.read().study.run_id == again
    assert reader.read(older.experiment).study.params == {"run": "2"}


def test_an_unknown_study_names_the_nearest(tracker: Tracker, reader: StudyReader) -> None:
    tracker.start_study({})
    with pytest.raises(InputError, match=f"nearest of its .* is '{tracker.experiment}'"):
        reader.read(tracker.experiment[:-1] + "!")


def test_many_runs_are_read_in_pages(
    tracker: Tracker, reader: StudyReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_PAGE", 3)
    study = tracker.start_study({})
    for number in range(8):
        tracker.start_trial(study, number=number, name=f"t{number}", params={})
    found = reader.read(tracker.experiment).trials
    assert [trial.number for trial in found] == list(range(8))
    assert len(tracker.open_runs(study)) == 8


def test_stores_without_a_study(tmp_path: Path, empty_database: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.db' does not exist"):
        StudyReader(f"sqlite:///{tmp_path}/absent.db")
    assert not (tmp_path / "absent.db").exists()
    empty = StudyReader(sqlite_uri(empty_database))
    assert empty.studies() == ()
    for name in (None, "name"):
        with pytest.raises(InputError, match="none in sqlite"):
            empty.read(name)
