"""The tracker against real stores, seen through a plain MlflowClient."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mlflow import MlflowClient

from mlctl_ray.errors import InputError
from mlctl_ray.tracking import Role, RunState, Tracker, TrackingError

NewName = Callable[[], str]


@pytest.fixture
def tracker(store: str, new_name: NewName) -> Tracker:
    return Tracker(store, new_name())


@pytest.fixture
def client(store: str) -> MlflowClient:
    return MlflowClient(store)


def count_batches(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that the tracker sends from now on."""
    sizes: list[int] = []
    send = tracker._client.log_batch

    def counted(run_id: str, **entries: list[object]) -> object:
        sizes.append(sum(len(items) for items in entries.values()))
        return send(run_id, **entries)

    monkeypatch.setattr(tracker._client, "log_batch", counted)
    return sizes


def test_roles_parents_and_tags(tracker: Tracker, client: MlflowClient) -> None:
    study = tracker.start_study({"trials": 8}, {"objective": "mean_zero_shot"})
    trial = tracker.start_trial(study, number=3, name="trial-3", params={"model.dim": 64})
    replicate = tracker.start_replicate(
        study, variant="none", seed=7, name="none-7", params={}, tags={"mlctl.role": "mine"}
    )
    single = tracker.start_run("once", {"seed": 1})

    runs = {run_id: client.get_run(run_id) for run_id in (study, trial, replicate, single)}
    tags = {run_id: run.data.tags for run_id, run in runs.items()}
    name = tracker.experiment
    assert {run.info.status for run in runs.values()} == {"RUNNING"}
    assert {client.get_experiment(r.info.experiment_id).name for r in runs.values()} == {name}
    assert [tags[r]["mlctl.role"] for r in runs] == ["study", "trial", "replicate", "run"]
    assert [tags[r].get("mlctl.study") for r in runs] == [name, name, name, None]
    assert [tags[r].get("mlflow.parentRunId") for r in runs] == [None, study, study, None]
    assert [runs[r].info.run_name for r in runs] == [name, "trial-3", "none-7", "once"]
    assert tags[study]["objective"] == "mean_zero_shot"
    assert tags[trial]["mlctl.trial"] == "3"
    assert (tags[replicate]["mlctl.variant"], tags[replicate]["mlctl.seed"]) == ("none", "7")
    assert tags[trial]["mlflow.source.name"] == "mlctl_ray"
    assert runs[trial].data.params == {"model.dim": "64"}


def test_terminal_states_are_true(tracker: Tracker, client: MlflowClient) -> None:
    study = tracker.start_study({})
    done, pruned, failed = (
        tracker.start_trial(study, number=i, name=f"trial-{i}", params={}) for i in range(3)
    )
    tracker.finish(done, RunState.FINISHED, metrics_summary={"validation/xnli/mean": 0.5})
    tracker.finish(pruned, RunState.PRUNED)
    tracker.finish(failed, RunState.FAILED, error="\nloss is nan at step 3\n  Traceback")

    runs = [client.get_run(run_id) for run_id in (done, pruned, failed)]
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED", "FAILED"]
    assert all(run.info.end_time for run in runs)
    assert runs[0].data.metrics == {"validation/xnli/mean": 0.5}
    assert runs[1].data.tags["mlctl.state"] == "pruned"
    assert runs[2].data.tags["mlctl.error"] == "loss is nan at step 3"
    with pytest.raises(ValueError, match="resume"):
        tracker.finish(done, RunState.RUNNING)


def test_finishing_again_keeps_the_first_end(tracker: Tracker, client: MlflowClient) -> None:
    run = tracker.start_run("once", {})
    tracker.finish(run, RunState.PRUNED)
    client.set_terminated(run, "KILLED", end_time=1000)
    tracker.finish(run, RunState.PRUNED)
    assert client.get_run(run).info.end_time == 1000


def test_a_failed_run_taken_up_again_ends_clean(tracker: Tracker, client: MlflowClient) -> None:
    run = tracker.start_run("once", {})
    tracker.finish(run, RunState.FAILED, error="node lost")
    tracker.resume(run)
    assert client.get_run(run).info.status == "RUNNING"
    tracker.finish(run, RunState.FINISHED)
    found = client.get_run(run)
    assert found.info.status == "FINISHED"
    assert "mlctl.error" not in found.data.tags


def test_fifteen_metrics_are_one_batch(
    tracker: Tracker, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracker.start_run("once", {})
    sizes = count_batches(tracker, monkeypatch)
    metrics = {f"validation/xnli/l{i}/accuracy": i / 15 for i in range(15)}
    tracker.log_metrics(run, metrics, step=20)
    assert sizes == [15]
    assert client.get_run(run).data.metrics == pytest.approx(metrics)
    assert client.get_metric_history(run, "validation/xnli/l3/accuracy")[0].step == 20


def test_many_metrics_with_one_bad_value(
    tracker: Tracker, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracker.start_run("once", {})
    metrics = {f"m{i}": float(i) for i in range(1500)} | {"m3": math.nan, "m1400": -math.inf}
    sizes = count_batches(tracker, monkeypatch)
    tracker.log_metrics(run, metrics, step=4)
    assert max(sizes) <= 1000
    assert len(sizes) == 2
    found = client.get_run(run)
    assert {k for k, v in found.data.metrics.items() if math.isnan(v)} == {"m3", "m1400"}
    finite = {k: v for k, v in metrics.items() if math.isfinite(v)}
    assert {k: v for k, v in found.data.metrics.items() if k in finite} == finite
    assert found.data.tags["mlctl.nonfinite"] == "step 4: m3=nan, m1400=-inf"

    tracker.log_metrics(run, {"m3": math.nan, "m4": 9.0}, step=5)
    found = client.get_run(run)
    assert found.data.tags["mlctl.nonfinite"].startswith("step 4")
    assert found.data.metrics["m4"] == 9.0


def test_the_summary_is_the_last_value(store: str, tracker: Tracker, client: MlflowClient) -> None:
    for other in (tracker, Tracker(store, tracker.experiment)):
        run = tracker.start_run("once", {})
        tracker.log_metrics(run, {"validation/xnli/mean": 0.9}, step=30)
        # The second writer never saw the steps, as after a restart of the driver.
        other.finish(run, RunState.FINISHED, metrics_summary={"validation/xnli/mean": 0.5})
        assert client.get_run(run).data.metrics == {"validation/xnli/mean": 0.5}


def test_params_of_any_size_and_kind(tracker: Tracker, client: MlflowClient) -> None:
    params: dict[str, object] = {f"p{i}": i for i in range(150)}
    params |= {
        "long": "é" * 7000,
        "flag": True,
        "none": None,
        "list": ("de", "fr"),
        "path": Path("x"),
    }
    params |= {"odd[0]//key": "kept", "rate": 1e-4, "empty": ""}
    run = tracker.start_run("once", params)
    found = client.get_run(run).data.params
    assert len(found) == len(params)
    assert {found[f"p{i}"] == str(i) for i in range(150)} == {True}
    assert len(found["long"]) == 6000
    assert found["long"].startswith("é" * 5000)
    assert found["long"].endswith("... [cut, 7000 characters]")
    assert (found["flag"], found["none"], found["list"]) == ("true", "null", '["de", "fr"]')
    assert (found["rate"], found["path"], found["empty"]) == ("0.0001", '"x"', "")
    assert found["odd_0_/_/key"] == "kept"
    with pytest.raises(TrackingError, match="log parameters"):
        tracker.log_params(run, {"flag": False})


def test_tags_are_set_and_cut(tracker: Tracker, client: MlflowClient) -> None:
    run = tracker.start_run("once", {}, {"first": "a", "long": "x" * 9000})
    tracker.set_tags(run, {"first": "b"} | {f"t{i}": str(i) for i in range(150)})
    found = client.get_run(run).data.tags
    assert found["first"] == "b"
    assert all(found[f"t{i}"] == str(i) for i in range(150))
    assert len(found["long"]) == 8000


def test_artifacts(tracker: Tracker, client: MlflowClient, tmp_path: Path) -> None:
    run = tracker.start_run("once", {})
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "a.txt").write_text("a")
    (tmp_path / "single.bin").write_bytes(b"\x00\x01")
    tracker.log_text(run, "seed: 1\n", "config.yaml")
    tracker.log_artifacts(run, tmp_path / "out", "predictions")
    tracker.log_artifacts(run, tmp_path / "single.bin")
    assert [item.path for item in client.list_artifacts(run)] == [
        "config.yaml",
        "predictions",
        "single.bin",
    ]
    assert [i.path for i in client.list_artifacts(run, "predictions/deep")] == [
        "predictions/deep/a.txt"
    ]
    with pytest.raises(TrackingError, match="does not exist"):
        tracker.log_artifacts(run, tmp_path / "absent")


def test_find_study_and_open_runs(store: str, tracker: Tracker, new_name: NewName) -> None:
    assert tracker.find_study() is None
    first = tracker.start_study({})
    second = tracker.start_study({})
    assert tracker.find_study() == second
    assert tracker.find_study("no such study") is None
    assert Tracker(store, new_name()).find_study(tracker.experiment) == second

    tracker.start_trial(first, number=0, name="of the first", params={})
    runs = [tracker.start_trial(second, number=i, name=f"t{i}", params={}) for i in range(3)]
    replicate = tracker.start_replicate(second, variant="none", seed=0, name="r", params={})
    tracker.finish(runs[1], RunState.PRUNED)
    left = tracker.open_runs(second)
    assert {record.run_id for record in left} == {runs[0], runs[2], replicate}
    assert {record.role for record in left} == {Role.TRIAL, Role.REPLICATE}
    assert tracker.open_runs(first)[0].number == 0


@pytest.mark.parametrize(
    "name", ["a/b", "x'; DROP TABLE runs; --", 'q"%_\\', "日本語 🙂", "..", " "]
)
def test_hostile_experiment_names(store: str, new_name: NewName, name: str) -> None:
    if not name.strip():
        with pytest.raises(InputError, match="experiment"):
            Tracker(store, name)
        return
    tracker = Tracker(store, f"{name}{new_name()}")
    study = tracker.start_study({})
    tracker.log_text(study, "text", "a.txt")
    assert tracker.find_study() == study
    assert Tracker(store, tracker.experiment).find_study() == study


def test_two_trackers_share_an_experiment(store: str, new_name: NewName) -> None:
    name = new_name()
    one, two = Tracker(store, name), Tracker(store, name)
    one.start_study({})
    assert two.start_study({}) == one.find_study()


def test_a_deleted_experiment_is_refused(tracker: Tracker, client: MlflowClient) -> None:
    tracker.start_study({})
    experiment = client.get_experiment_by_name(tracker.experiment)
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(InputError, match=f"restore --experiment-id {experiment.experiment_id}"):
        Tracker(tracker.uri, tracker.experiment)
    assert tracker.find_study() is None


def test_an_unknown_run_is_a_tracking_error(tracker: Tracker) -> None:
    with pytest.raises(TrackingError, match="log metrics of run 0123"):
        tracker.log_metrics("0123", {"a": 1.0}, step=0)


def test_artifacts_lie_next_to_the_sqlite_file(sqlite_store: str, new_name: NewName) -> None:
    for name in (new_name(), f"../{new_name()}", "."):
        tracker = Tracker(sqlite_store, name)
        run = tracker.start_run("once", {})
        tracker.log_text(run, "text", "a.txt")
        folder = Path(unquote(sqlite_store.removeprefix("sqlite:///"))).parent / "mlartifacts"
        uri = MlflowClient(sqlite_store).get_run(run).info.artifact_uri
        written = Path(unquote(urlsplit(uri).path)) / "a.txt"
        assert written.read_text() == "text"
        assert written.is_relative_to(folder)
        assert ".." not in written.parts
        assert len(written.relative_to(folder).parts) == 4
