"""What the tracking store is to hold of each run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulated import Driver, World, desk_of, drive, search, simulated

from mlctl_ray.search.confirmation import ConfirmationStage, confirmation_tasks, make_confirmation
from mlctl_ray.search.documents import INTERRUPTED, Documents
from mlctl_ray.search.faults import Fault
from mlctl_ray.search.results import rank_trials
from mlctl_ray.tracking import Role, RunState

PLAIN: dict[str, Any] = {
    "study.space.model.freeze_layers": {"type": "categorical", "choices": [0, 5]},
}


def documents(driver: Driver) -> Documents:
    return Documents(driver.book, driver.folder, '{"python": "3"}')


def test_every_trial_has_its_true_state_and_all_that_it_measured(tmp_path: Path) -> None:
    world = World({("trial-0001", 2): [Fault.CONFIGURATION]})
    driver = search(simulated(tmp_path, PLAIN), world=world)
    kept = documents(driver)
    assert kept.names() == tuple(f"trial-{n:04d}" for n in range(9))
    expected = {
        "COMPLETE": RunState.FINISHED,
        "PRUNED": RunState.PRUNED,
        "FAIL": RunState.FAILED,
    }
    seen = set()
    for name, trial in zip(kept.names(), driver.book.trials(), strict=True):
        document = kept.read(name)
        assert document is not None
        assert (document.name, document.role, document.number) == (name, Role.TRIAL, trial.number)
        assert document.state is expected[trial.state.name]
        assert (document.error is None) == (trial.state.name != "FAIL")
        assert document.params["objective.levels"] == trial.params["objective.levels"]
        steps = [point.step for point in document.points]
        if trial.state.name == "COMPLETE":
            assert steps == [2, 4, 6, 8]
            assert document.points[-1].metrics == trial.user_attrs["mlctl_metrics"]
            assert document.points[0].time_ms > 1e12
        refused = trial.params["model.freeze_layers"] == 5
        assert not (refused and steps)
        assert document.params["model.freeze_layers"] == trial.params["model.freeze_layers"]
        assert document.texts == {"environment.json": '{"python": "3"}'}
        seen.add((document.state, refused))
    assert len(seen) == 4
    tags = [kept.read(name).tags for name in kept.names()[:3]]  # type: ignore[union-attr]
    assert tags == [{"mlctl.variant": "none"}, {"mlctl.variant": "cz-snt"}, {}]


def test_running_trial_is_interrupted_once_its_driver_ends(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path))
    driver.stage().next(0)
    kept = documents(driver)
    before = kept.read("trial-0000")
    kept.closing = True
    after = kept.read("trial-0000")
    assert before is not None and after is not None
    assert (before.state, before.error) == (RunState.RUNNING, None)
    assert (after.state, after.error) == (RunState.INTERRUPTED, INTERRUPTED)


def test_files_of_a_run_are_its_artifacts(tmp_path: Path) -> None:
    driver = search(simulated(tmp_path, {"study.trials": 1}))
    folder = driver.folder.trial(0)
    for name in ("config.yaml", "error.log", "other.bin"):
        (folder / name).write_text("x", encoding="utf-8")
    (folder / "predictions").mkdir()
    document = documents(driver).read("trial-0000")
    assert document is not None
    assert document.artifacts == (
        (folder / "config.yaml", None),
        (folder / "predictions", "predictions"),
        (folder / "error.log", None),
    )


def test_finished_trials_are_marked_as_feasible_and_as_not_dominated(tmp_path: Path) -> None:
    changes = {
        "study.asha": None,
        "study.also_optimise": ["retrieval"],
        "study.constraints": {"de": {"at_least": 0.68}},
        "study.space.model.freeze_layers": {"type": "constant", "value": 0},
    }
    driver = search(simulated(tmp_path, changes))
    kept = documents(driver)
    ranking = {result.number: result for result in rank_trials(driver.book.trials(), driver.config)}
    marks = set()
    for number, result in ranking.items():
        document = kept.read(f"trial-{number:04d}")
        assert document is not None
        marks.add((document.tags["mlctl.feasible"], document.tags["mlctl.pareto"]))
        assert document.tags["mlctl.feasible"] == str(result.feasible).lower()
        assert document.tags["mlctl.pareto"] == str(result.pareto).lower()
    # Both objectives rise together here, so one trial dominates all.
    assert marks == {("true", "true"), ("true", "false"), ("false", "false")}


def test_confirmation_runs_are_there_once_they_are_begun(tmp_path: Path) -> None:
    driver = search(simulated(tmp_path, {"study.confirmation.runner_up": False}))
    ranking = rank_trials(driver.book.own_trials(), driver.config)
    plan = make_confirmation(driver.config, ranking)
    tasks = confirmation_tasks(driver.config, plan, driver.book, driver.folder)
    kept = documents(driver)
    kept.add_replicates(tasks)
    assert kept.names()[-2:] == tuple(task.name for task in tasks)
    assert [kept.read(task.name) for task in tasks] == [None, None]
    stage = ConfirmationStage(driver.book, tasks, driver.watcher)
    world = World({(tasks[1].name, 0): [Fault.CONFIGURATION]})
    drive(driver.config, desk_of(stage), world)
    found = [kept.read(task.name) for task in tasks]
    states = [document.state for document in found if document is not None]
    assert states == [RunState.FINISHED, RunState.FAILED]
    for document, task in zip(found, tasks, strict=True):
        assert document is not None
        assert (document.role, document.variant, document.number) == (
            Role.REPLICATE,
            task.variant,
            None,
        )
        assert document.seed == task.run["seed"]


def test_trial_that_is_not_there_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        documents(Driver(simulated(tmp_path))).read("trial-0007")
