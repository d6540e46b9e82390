"""The store becomes what the documents say, whatever was there before."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from run_documents import document, expected, held, point

from mlctl_ray.tracking import Point, Publisher, Role, RunDocument, RunState, StudyReader, Tracker

NewName = Callable[[], str]


class Desk:
    """Documents, and a publisher that can be made anew as after a restart of the process."""

    def __init__(self, store: str, name: str, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.tracker = Tracker(store, name)
        self.client = MlflowClient(store)
        self.study = self.tracker.start_study({"trials": 2})
        self.documents: dict[str, RunDocument] = {}
        self.lines: list[str] = []
        self.publisher = self._publisher()

    def _publisher(self) -> Publisher:
        cursors = self.folder / "cursors"
        return Publisher(self.tracker, self.study, cursors, self.documents.get, self.lines.append)

    def restart(self) -> None:
        self.publisher.close()
        self.tracker = Tracker(self.store, self.tracker.experiment)
        self.publisher = self._publisher()
        for name in self.documents:
            self.publisher.changed(name)

    def put(self, *documents: RunDocument) -> None:
        for item in documents:
            self.documents[item.name] = item
            self.publisher.changed(item.name)

    def flush(self) -> None:
        assert self.publisher.flush(20) == ()

    def run(self, name: str = "trial-0000"):
        return self.client.get_run(self.tracker.find_children(self.study)[name].run_id)


@pytest.fixture
def desk(store: str, new_name: NewName, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(store, new_name(), tmp_path)
    yield desk
    desk.publisher.close()


def test_runs_are_what_their_documents_say(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "de.parquet").write_bytes(b"rows")
    (tmp_path / "single.txt").write_text("one")
    kept = ((tmp_path / "predictions", "predictions/test"), (tmp_path / "single.txt", None))
    replicate = {"name": "none-7", "role": Role.REPLICATE, "number": None}
    desk.put(
        document(0, 3, RunState.FINISHED, artifacts=kept, variant="none"),
        document(1, 2, RunState.PRUNED),
        document(2, 1, RunState.INTERRUPTED, error="stopped by hand\nmore"),
        document(3, 0, RunState.FAILED, error="loss is nan"),
        document(4, 2),
        document(5, 1, variant="none", seed=7, **replicate),
    )
    desk.flush()
    found = StudyReader(desk.store).read(desk.tracker.experiment)
    assert {trial.number: trial.state for trial in found.trials} == {
        0: RunState.FINISHED,
        1: RunState.PRUNED,
        2: RunState.INTERRUPTED,
        3: RunState.FAILED,
        4: RunState.RUNNING,
    }
    trial = found.trials[0]
    assert trial.params == {"seed": "0", "model.dropout": "0.1"}
    assert (trial.tags["kept"], trial.variant) == ("yes", "none")
    assert found.trials[2].tags["mlctl.error"] == "stopped by hand"
    assert found.trials[3].tags["mlctl.error"] == "loss is nan"
    assert [(r.name, r.variant, r.seed) for r in found.replicates] == [("none-7", "none", 7)]
    rows = held(desk.store, desk.study)
    assert [len(rows[f"trial-{n:04d}"]) for n in range(5)] == [3, 2, 1, 0, 2]
    assert rows["trial-0000"] == expected(0, 3)

    def names(run: str, folder: str | None = None) -> list[str]:
        return [item.path for item in desk.client.list_artifacts(run, folder)]

    assert names(trial.run_id) == ["config.yaml", "predictions", "single.txt"]
    assert names(trial.run_id, "predictions/test") == ["predictions/test/de.parquet"]
    assert names(found.trials[4].run_id) == []
    assert desk.lines == []


def test_a_point_delivered_again_stays_one_row(desk: Desk) -> None:
    points = (
        *document(0, 2).points,
        Point(3, 1_700_000_000_000, {"validation/xnli/mean": math.nan}),
    )
    desk.put(document(0, points=points))
    desk.flush()
    before = desk.client.get_metric_history(desk.run().info.run_id, "validation/xnli/mean")
    shutil.rmtree(desk.folder / "cursors")
    desk.restart()
    desk.flush()
    after = desk.client.get_metric_history(desk.run().info.run_id, "validation/xnli/mean")
    assert len(held(desk.store, desk.study)["trial-0000"]) == 3
    assert [(p.step, p.timestamp) for p in after] == [(p.step, p.timestamp) for p in before]


def test_what_was_delivered_is_not_sent_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put(document(0, 3, RunState.FINISHED), document(1, 1))
    desk.flush()
    desk.publisher.set_study_tags({"best": "0"})
    desk.flush()
    sent: list[str] = []
    write = MlflowClient.log_batch

    def counted(self: MlflowClient, run_id: str, *rest: object, **entries: object) -> object:
        sent.append(run_id)
        return write(self, run_id, *rest, **entries)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    desk.restart()
    desk.publisher.set_study_tags({"best": "0"})
    desk.flush()
    assert sent == []
    desk.put(document(1, 2))
    desk.flush()
    assert sent == [desk.run("trial-0001").info.run_id]


def test_the_first_step_that_is_not_finite_stays_named(desk: Desk) -> None:
    def bad(step: int) -> Point:
        return Point(step, 1_700_000_000_000 + step, {"m": math.inf})

    desk.put(document(0, points=(bad(4),)))
    desk.flush()
    desk.restart()
    desk.put(document(0, points=(bad(4), bad(5))))
    desk.flush()
    run = desk.run()
    assert run.data.tags["mlctl.nonfinite"] == "step 4: m=inf"
    assert [p.step for p in desk.client.get_metric_history(run.info.run_id, "m")] == [4, 5]


def test_a_refused_param_stops_nobody(desk: Desk) -> None:
    desk.put(document(0, 1))
    desk.flush()
    desk.publisher.close()
    # The cursor is gone and the parameter is another one: MLflow refuses it.
    shutil.rmtree(desk.folder / "cursors")
    desk.documents["trial-0000"] = document(0, 2, params={"seed": 9})
    desk.documents["trial-0001"] = document(1, 2)
    desk.restart()
    desk.flush()
    desk.restart()
    desk.flush()
    assert held(desk.store, desk.study) == {
        "trial-0000": expected(0, 2),
        "trial-0001": expected(1, 2),
    }
    assert len(desk.lines) == 1
    assert "trial-0000: params refused" in desk.lines[0]
    assert "Changing param values is not allowed" in desk.lines[0]


def test_a_document_that_cannot_be_read_stops_nobody(desk: Desk) -> None:
    desk.documents["trial-0000"] = None  # type: ignore[assignment]

    def broken(name: str) -> RunDocument | None:
        if name == "broken":
            raise ValueError("no document at all")
        return desk.documents.get(name)

    desk.publisher.close()
    publisher = Publisher(desk.tracker, desk.study, desk.folder / "c", broken, desk.lines.append)
    desk.documents["trial-0001"] = document(1, 1)
    for name in ("broken", "trial-0000", "trial-0001", "broken"):
        publisher.changed(name)
    assert publisher.flush(20) == ()
    publisher.close()
    assert list(held(desk.store, desk.study)) == ["trial-0001"]
    assert desk.lines == ["tracking: broken: not delivered: no document at all"]


def test_a_missing_artifact_does_not_keep_a_run_open(desk: Desk, tmp_path: Path) -> None:
    desk.put(document(0, 1, RunState.FINISHED, artifacts=((tmp_path / "absent", None),)))
    desk.flush()
    assert desk.run().info.status == "FINISHED"
    assert "absent' does not exist" in desk.lines[0]


def test_a_run_taken_up_again_ends_anew(desk: Desk, tmp_path: Path) -> None:
    kept = tmp_path / "predictions.txt"
    kept.write_text("after step 1")
    stopped = document(0, 1, RunState.INTERRUPTED, artifacts=((kept, None),))
    desk.put(stopped)
    desk.flush()
    assert (desk.run().info.status, desk.run().data.tags["mlctl.state"]) == (
        "KILLED",
        "interrupted",
    )
    desk.restart()
    desk.put(dataclasses.replace(stopped, state=RunState.RUNNING, points=document(0, 2).points))
    desk.flush()
    assert desk.run().info.status == "RUNNING"
    # Killed by hand now, it must not read as interrupted.
    desk.client.set_terminated(desk.run().info.run_id, "KILLED")
    assert desk.tracker.find_children(desk.study)["trial-0000"].state is RunState.FAILED
    kept.write_text("after step 3, which is more")
    desk.restart()
    desk.put(document(0, 3, RunState.FINISHED, artifacts=((kept, None),)))
    desk.flush()
    run = desk.run()
    assert run.info.status == "FINISHED"
    reader = StudyReader(desk.store)
    local = reader.artifact(run.info.run_id, "predictions.txt")
    assert local is not None
    assert local.read_text() == "after step 3, which is more"
    assert held(desk.store, desk.study) == {"trial-0000": expected(0, 3)}


def test_a_deleted_run_is_delivered_anew(desk: Desk) -> None:
    desk.put(document(0, 2), document(1, 1))
    desk.flush()
    desk.client.delete_run(desk.run().info.run_id)
    desk.put(document(0, 3, RunState.FINISHED), document(1, 2))
    desk.flush()
    assert held(desk.store, desk.study) == {
        "trial-0000": expected(0, 3),
        "trial-0001": expected(1, 2),
    }
    assert desk.run().info.status == "FINISHED"
    desk.client.delete_run(desk.run().info.run_id)
    desk.restart()
    desk.flush()
    assert held(desk.store, desk.study)["trial-0000"] == expected(0, 3)
    assert desk.lines == []


def test_a_deleted_study_is_started_anew(desk: Desk) -> None:
    desk.put(document(0, 2))
    desk.publisher.set_study_tags({"best": "0"})
    desk.publisher.log_study_metrics({"best/objective": 0.5}, 1)
    desk.flush()
    desk.client.delete_run(desk.study)
    desk.restart()
    desk.put(document(0, 3))
    desk.flush()
    study = desk.publisher.study_run
    assert study != desk.study
    assert held(desk.store, study) == {"trial-0000": expected(0, 3)}
    found = desk.client.get_run(study)
    assert found.data.params == {"trials": "2"}
    assert (found.data.tags["best"], found.data.metrics) == ("0", {"best/objective": 0.5})
    assert desk.tracker.find_study() == study


def test_a_deleted_experiment_waits_until_it_is_restored(desk: Desk) -> None:
    desk.put(document(0, 1))
    desk.flush()
    experiment = desk.run().info.experiment_id
    desk.client.delete_experiment(experiment)
    desk.put(document(0, 2), document(1, 1))
    assert set(desk.publisher.flush(2)) == {"trial-0000", "trial-0001"}
    (line,) = desk.lines
    assert f"mlflow experiments restore --experiment-id {experiment}" in line
    desk.client.restore_experiment(experiment)
    desk.flush()
    assert held(desk.store, desk.study) == {
        "trial-0000": expected(0, 2),
        "trial-0001": expected(1, 1),
    }


def test_an_empty_copy_is_deleted(desk: Desk) -> None:
    desk.put(document(0, 1))
    desk.flush()
    # As a server leaves it that made the run after its answer was no longer waited for.
    copy = desk.tracker.start_trial(desk.study, number=0, name="trial-0000", params={})
    desk.restart()
    desk.put(document(0, 2, RunState.FINISHED))
    desk.publisher.finish_study(RunState.FINISHED)
    desk.flush()
    assert held(desk.store, desk.study) == {"trial-0000": expected(0, 2)}
    assert desk.client.get_run(copy).info.lifecycle_stage == "deleted"


def test_the_study_ends_last(desk: Desk) -> None:
    desk.publisher.finish_study(RunState.FAILED, "no trial came to its end\n")
    desk.flush()
    assert desk.client.get_run(desk.study).data.tags["mlctl.error"] == "no trial came to its end"
    desk.publisher.resume_study()
    desk.flush()
    assert desk.client.get_run(desk.study).info.status == "RUNNING"
    seen: list[str] = []

    def watched(name: str) -> RunDocument | None:
        seen.append(desk.client.get_run(desk.study).info.status)
        return desk.documents.get(name)

    desk.publisher.close()
    publisher = Publisher(desk.tracker, desk.study, desk.folder / "c", watched, desk.lines.append)
    desk.documents |= {f"trial-{n:04d}": document(n, 1, RunState.FINISHED) for n in range(4)}
    publisher.changed("trial-0000")
    publisher.finish_study(RunState.FINISHED)
    for name in desk.documents:
        publisher.changed(name)
    assert publisher.flush(20) == ()
    publisher.close()
    assert set(seen) == {"RUNNING"}
    assert desk.client.get_run(desk.study).info.status == "FINISHED"
    with pytest.raises(ValueError, match="resume_study"):
        publisher.finish_study(RunState.RUNNING)


def test_study_metrics_of_one_step_are_kept_together(desk: Desk) -> None:
    desk.publisher.log_study_metrics({"a": 1.0, "b": 1.0}, 1)
    desk.publisher.log_study_metrics({"b": 2.0}, 1)
    desk.publisher.log_study_metrics({"a": 3.0}, 2)
    desk.flush()
    assert desk.client.get_run(desk.study).data.metrics == {"a": 3.0, "b": 2.0}


def test_settings_of_mlflow_are_set_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.publisher.close()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "6")
    desk.restart()
    desk.put(document(0, 1))
    desk.flush()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    desk.publisher.close()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "6"
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


def test_only_runs_of_a_study_are_documents() -> None:
    for values in ({"role": Role.STUDY}, {"number": None}, {"role": Role.REPLICATE, "seed": 1}):
        with pytest.raises(ValueError, match="run document"):
            document(0, **values)


def test_a_changed_point_is_another_point() -> None:
    one = point(0, 1)
    assert one.key == dataclasses.replace(one, metrics=dict(reversed(one.metrics.items()))).key
    others = [
        dataclasses.replace(one, step=2),
        dataclasses.replace(one, time_ms=1),
        dataclasses.replace(one, metrics={**one.metrics, "new": 1.0}),
    ]
    assert len({one.key, *(other.key for other in others)}) == 4


def test_closing_is_quick_and_keeps_the_rest(desk: Desk) -> None:
    desk.put(document(0, 100))
    while desk.publisher._writes < 5:
        time.sleep(0.01)
    desk.publisher.close()
    assert len(held(desk.store, desk.study).get("trial-0000", [])) < 100
    desk.restart()
    desk.flush()
    assert held(desk.store, desk.study)["trial-0000"] == expected(0, 100)
