"""What is confirmed on test, fixed before the first look at it, and how its runs end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from simulated import Driver, Run, World, desk_of, drive, search, simulated

from mlctl_ray.config import StudyConfig
from mlctl_ray.errors import InputError
from mlctl_ray.search.confirmation import (
    BEST,
    RUNNER_UP,
    ConfirmationPlan,
    ConfirmationStage,
    check_confirmation,
    confirmation_begun,
    confirmation_tasks,
    make_confirmation,
    read_replicate,
    replicate_note,
)
from mlctl_ray.search.faults import Ending, Fault
from mlctl_ray.search.protocol import TrialTask, metrics_of
from mlctl_ray.search.results import TrialResult, rank_trials
from mlctl_ray.search.sampling import replicate_seed
from mlctl_ray.search.stage import Over

STAGE = {"replicates": 2, "variants": ["none", "cz-snt"], "runner_up": True}
PLAIN: dict[str, Any] = {
    "study.asha": None,
    "study.trials": 4,
    "study.confirmation": STAGE,
    "study.space.model.freeze_layers": {"type": "constant", "value": 0},
}


def trial(
    number: int, rate: float, *, feasible: bool = True, state: str = "finished"
) -> TrialResult:
    return TrialResult(number, state, None, 0.9, 8, {"rate": rate}, feasible=feasible)


def config(folder: Path, changes: Mapping[str, Any] | None = None) -> StudyConfig:
    return simulated(folder, PLAIN | dict(changes or {}))


def test_best_and_the_next_with_other_parameters_are_chosen(tmp_path: Path) -> None:
    study = config(tmp_path)
    unsuitable = [trial(7, 0.1, feasible=False), trial(8, 0.2, state="pruned")]
    ranking = [unsuitable[0], trial(3, 0.5), trial(4, 0.5), trial(1, 0.6), unsuitable[1]]
    plan = make_confirmation(study, ranking)
    assert (plan.best, plan.runner_up) == (3, 1)
    assert plan.variants == ("none", "cz-snt")
    assert plan.seeds == (replicate_seed(3, 0), replicate_seed(3, 1))
    assert make_confirmation(study, [trial(3, 0.5), trial(4, 0.5), *unsuitable]).runner_up is None
    without = config(tmp_path, {"study.confirmation": STAGE | {"runner_up": False}})
    assert make_confirmation(without, ranking).runner_up is None


def begun(folder: Path) -> tuple[Driver, ConfirmationPlan, tuple[TrialTask, ...]]:
    driver = search(config(folder))
    plan = make_confirmation(driver.config, rank_trials(driver.book.own_trials(), driver.config))
    driver.book.write_note("mlctl_confirmation", plan.to_note())
    return driver, plan, confirmation_tasks(driver.config, plan, driver.book, driver.folder)


def test_runs_of_one_seed_are_paired_and_differ_in_the_objective_only(tmp_path: Path) -> None:
    driver, plan, tasks = begun(tmp_path)
    assert [(t.variant, t.run["seed"]) for t in tasks] == [
        (variant, seed) for seed in plan.seeds for variant in (BEST, RUNNER_UP, "none", "cz-snt")
    ]
    assert len({t.folder for t in tasks}) == len({t.name for t in tasks}) == 8
    assert all(t.splits == ("validation", "test") and t.number is None for t in tasks)
    best, _, none, cz = tasks[:4]
    for variant in (none, cz):
        assert {k: v for k, v in variant.run.items() if k != "objective"} == {
            k: v for k, v in best.run.items() if k != "objective"
        }
    assert none.run["objective"]["levels"] == "none"
    assert cz.run["objective"]["levels"] == "sentence"
    assert cz.run["objective"]["sentence"]["offset"] == math.inf
    expected = driver.book.values(plan.best)["optimisation.learning_rate"]
    assert best.run["optimisation"]["learning_rate"] == expected


def test_plan_survives_the_book_and_is_not_made_again(tmp_path: Path) -> None:
    driver, plan, tasks = begun(tmp_path)
    later = Driver(driver.config)
    held = confirmation_begun(later.book)
    assert held == plan
    assert confirmation_tasks(later.config, plan, later.book, later.folder) == tasks
    assert confirmation_begun(Driver(config(tmp_path / "other")).book) is None


@pytest.mark.parametrize(
    ("field", "value"), [("replicates", 3), ("replicates", 1), ("variants", ["none"])]
)
def test_other_seeds_or_variants_are_refused_after_the_first_look(
    field: str, value: Any, tmp_path: Path
) -> None:
    plan = ConfirmationPlan(0, None, ("none", "cz-snt"), (1, 2))
    changed = config(tmp_path, {"study.confirmation": STAGE | {field: value}})
    with pytest.raises(InputError) as caught:
        check_confirmation(changed, plan)
    line = str(caught.value)
    assert line.startswith(f"study.confirmation.{field}: {value}") and "\n" not in line
    assert "p-values" in line and "--warm-start tiny" in line
    check_confirmation(config(tmp_path), plan)


def test_every_run_is_trained_once_and_its_metrics_on_test_are_read(tmp_path: Path) -> None:
    driver, _, tasks = begun(tmp_path)
    stage = ConfirmationStage(driver.book, tasks, driver.watcher)
    assert stage.waiting == 8
    assert drive(driver.config, desk_of(stage, 3)) == "all runs have ended"
    finished = [name for name, *_ in driver.watcher.of("finished")][-8:]
    assert sorted(finished) == sorted(task.name for task in tasks)
    for task in tasks:
        result = read_replicate(task)
        assert (result.variant, result.seed) == (task.variant, task.run["seed"])
        assert result.metrics is not None and "test/embedded/de/accuracy" in result.metrics
    later = Driver(driver.config)
    again = ConfirmationStage(later.book, tasks, later.watcher)
    assert again.waiting == 0
    assert again.next(0) == Over("all runs have ended")
    assert later.watcher.told == []


def test_failed_run_is_tried_again_then_failed_and_the_others_go_on(tmp_path: Path) -> None:
    driver, _, tasks = begun(tmp_path)
    lost, broken = tasks[1].name, tasks[2].name
    world = World({(lost, 2): [Fault.LOST], (broken, 4): [Fault.ERROR, Fault.ERROR]})
    stage = ConfirmationStage(driver.book, tasks, driver.watcher)
    drive(driver.config, desk_of(stage, 2), world)
    states = {task.name: replicate_note(driver.book, task.name) for task in tasks}
    assert states[broken]["state"] == "failed"
    assert states[broken]["error"] == "a error fault (after 1 retries)"
    assert states[lost]["attempts"] == {"errors": 0, "losses": 1}
    assert [n for n, note in states.items() if note["state"] != "finished"] == [broken]
    assert read_replicate(tasks[2]).metrics is None
    later = Driver(driver.config)
    assert ConfirmationStage(later.book, tasks, later.watcher).waiting == 0


def test_resumed_stage_enters_what_ended_unseen_and_runs_the_rest(tmp_path: Path) -> None:
    driver, _, tasks = begun(tmp_path)
    stage = ConfirmationStage(driver.book, tasks, driver.watcher)
    first, second, _ = (stage.next(live) for live in range(3))
    assert isinstance(first, TrialTask) and isinstance(second, TrialTask)
    run = Run(driver.config, first)
    result = run.go_on()
    while not result["final"]:
        result = run.go_on()
    stage.ended(second, Ending({}, paused=True))
    later = Driver(driver.config)
    again = ConfirmationStage(later.book, tasks, later.watcher)
    assert later.watcher.told == [(first.name, "finished", "")]
    assert again.waiting == 7
    task = again.next(0)
    assert isinstance(task, TrialTask)
    assert (task.name, task.resume) == (second.name, True) and task.token != second.token
    assert json.loads((Path(first.folder) / "metrics.json").read_text()) == metrics_of(result)


def test_storage_fault_halts_the_stage(tmp_path: Path) -> None:
    driver, _, tasks = begun(tmp_path)
    stage = ConfirmationStage(driver.book, tasks, driver.watcher)
    task = stage.next(0)
    assert isinstance(task, TrialTask)
    stage.ended(task, Ending({}, fault=Fault.STORAGE, reason="no space left"))
    assert stage.halted == "no space left" and stage.next(0) == Over("no space left")
    assert replicate_note(driver.book, task.name)["state"] == "running"
    later = Driver(driver.config)
    assert ConfirmationStage(later.book, tasks, later.watcher).waiting == 8
