"""What the search makes of reports, ends and faults, with a real journal and no Ray."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from simulated import Driver, Run, World, desk_of, drive, metrics_at, search, simulated
from small_study import journal

from mlctl_ray.search import attributes as names
from mlctl_ray.search.faults import Attempts, Ending, Fault
from mlctl_ray.search.protocol import OBJECTIVE, TrialTask, metrics_of
from mlctl_ray.search.results import rank_trials
from mlctl_ray.search.search_stage import SearchStage
from mlctl_ray.search.stage import Over
from mlctl_ray.training.record import METRICS

PLAIN: dict[str, Any] = {"study.space.model.freeze_layers": {"type": "constant", "value": 0}}


def begin(stage: SearchStage, live: int = 0) -> TrialTask:
    task = stage.next(live)
    assert isinstance(task, TrialTask)
    return task


def finish(stage: SearchStage, driver: Driver, task: TrialTask) -> None:
    run = Run(driver.config, task)
    result = run.go_on()
    while not result["final"] and not stage.report(task, result):
        result = run.go_on()
    stage.ended(task, Ending(metrics_of(result), final=result["final"]))


def states(driver: Driver) -> list[str]:
    return [trial.state.name for trial in journal(driver.folder.root)]


def test_ends_are_told_apart_in_the_book_and_to_the_observer(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, PLAIN))
    stage = driver.stage()
    good = dict.fromkeys(metrics_at(driver.config, begin(stage).run, 8), 0.9)
    first = stage.next(1)
    assert isinstance(first, TrialTask)
    tasks = [driver_task(stage, driver, 0), first, begin(stage, 2), begin(stage, 3)]
    stage.report(tasks[0], {"step": 2, OBJECTIVE: 0.8, **good})
    stage.ended(tasks[0], Ending(good, final=True))
    assert stage.report(tasks[1], {"step": 2, OBJECTIVE: 0.1, **good})
    stage.ended(tasks[1], Ending(good))
    stage.ended(tasks[2], Ending({}, fault=Fault.CONFIGURATION, reason="loss is nan"))
    unusual = good | {"validation/embedded/mean_zero_shot": math.nan}
    stage.ended(tasks[3], Ending(unusual, final=True))
    assert states(driver) == ["COMPLETE", "PRUNED", "FAIL", "FAIL"]
    trials = journal(driver.folder.root)
    assert (trials[0].value, trials[0].intermediate_values) == (0.9, {2: 0.8})
    assert trials[1].intermediate_values == {2: 0.1}
    errors = [trial.user_attrs.get(names.ERROR) for trial in trials]
    assert errors[:3] == [None, None, "loss is nan"]
    assert "not finite" in errors[3]
    told = [(name, event) for name, event, _ in driver.watcher.of("finished", "pruned", "failed")]
    assert told == [
        ("trial-0000", "finished"),
        ("trial-0001", "pruned"),
        ("trial-0002", "failed"),
        ("trial-0003", "failed"),
    ]


def driver_task(stage: SearchStage, driver: Driver, number: int) -> TrialTask:
    """The task of a trial that was begun."""
    task = stage._task(number, resume=False)
    assert task is not None
    return task


def test_value_that_is_not_finite_is_compared_with_nothing(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, PLAIN))
    stage = driver.stage()
    task = begin(stage)
    assert not stage.report(task, {"step": 2, OBJECTIVE: math.nan})
    assert not stage.report(task, {"step": 4, OBJECTIVE: math.inf})
    assert journal(driver.folder.root)[0].intermediate_values == {}


def test_refused_combination_is_a_failed_trial_with_its_reason(tmp_path: Path) -> None:
    space = {"study.space.model.freeze_layers": {"type": "categorical", "choices": [0, 5]}}
    driver = search(simulated(tmp_path, space | {"study.seed": 4}))
    refused = [t for t in driver.book.trials() if t.params["model.freeze_layers"] == 5]
    assert refused and {trial.state.name for trial in refused} == {"FAIL"}
    told = {name: reason for name, event, reason in driver.watcher.of("failed")}
    for trial in refused:
        assert "freeze_layers 5 is more than the 1" in trial.user_attrs[names.ERROR]
        assert told[f"trial-{trial.number:04d}"] == trial.user_attrs[names.ERROR]
        assert not driver.folder.trial(trial.number).exists()
    assert len(driver.book.trials()) == 9


@pytest.mark.parametrize(
    ("fault", "budget"), [(Fault.ERROR, {"errors": 2}), (Fault.LOST, {"preemptions": 2})]
)
def test_trial_is_tried_again_under_its_number_until_its_budget_is_gone(
    fault: Fault, budget: dict[str, int], tmp_path: Path
) -> None:
    retries = {"errors": 0, "preemptions": 0} | budget
    driver = Driver(simulated(tmp_path, PLAIN | {"study.retries": retries}))
    stage = driver.stage()
    tasks = [begin(stage)]
    for _ in range(2):
        stage.ended(tasks[-1], Ending({}, fault=fault, reason="it went away"))
        tasks.append(begin(stage))
    assert [task.number for task in tasks] == [0, 0, 0]
    assert [task.resume for task in tasks] == [False, True, True]
    assert len({task.token for task in tasks}) == 3
    attempt = driver.folder.trial(0) / "attempt"
    assert attempt.read_text(encoding="utf-8") == tasks[-1].token
    assert states(driver) == ["RUNNING"]
    stage.ended(tasks[-1], Ending({}, fault=fault, reason="it went away"))
    assert states(driver) == ["FAIL"]
    assert driver.watcher.of("retried", "failed") == [
        ("trial-0000", "retried", "it went away"),
        ("trial-0000", "retried", "it went away"),
        ("trial-0000", "failed", "it went away (after 2 retries)"),
    ]
    assert begin(stage).number == 1


def test_budget_of_faults_is_kept_over_drivers(tmp_path: Path) -> None:
    config = simulated(tmp_path, PLAIN | {"study.retries": {"errors": 1, "preemptions": 5}})
    first = Driver(config)
    stage = first.stage()
    stage.ended(begin(stage), Ending({}, fault=Fault.ERROR, reason="boom"))
    second = Driver(config)
    assert second.book.attempts(0) == Attempts(errors=1)
    stage = second.stage()
    stage.ended(begin(stage), Ending({}, fault=Fault.ERROR, reason="boom"))
    assert states(second) == ["FAIL"]


def test_storage_fault_halts_and_leaves_the_trials_running(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, PLAIN))
    stage = driver.stage()
    one, two = begin(stage), begin(stage, 1)
    stage.ended(one, Ending({}, fault=Fault.STORAGE, reason="no space left"))
    assert stage.halted == "no space left"
    assert stage.next(1) is None
    stage.ended(two, Ending({}, paused=True))
    assert stage.next(0) == Over("no space left")
    assert states(driver) == ["RUNNING", "RUNNING"]
    assert [event for _, event, _ in driver.watcher.told] == ["paused", "paused"]
    again = Driver(driver.config).stage()
    assert [begin(again, live).number for live in range(3)] == [0, 1, 2]


def test_trial_left_running_comes_back_under_its_number(tmp_path: Path) -> None:
    first = Driver(simulated(tmp_path, PLAIN))
    stage = first.stage()
    begun = [begin(stage, live) for live in range(3)]
    stage.report(begun[1], {"step": 2, OBJECTIVE: 0.4})
    finish(stage, first, begun[0])
    second = Driver(first.config)
    stage = second.stage()
    again = [begin(stage, live) for live in range(2)]
    assert [task.number for task in again] == [1, 2]
    assert [task.run for task in again] == [begun[1].run, begun[2].run]
    assert all(task.resume for task in again) and not any(task.resume for task in begun)
    assert {task.token for task in again}.isdisjoint(task.token for task in begun)
    assert begin(stage, 2).number == 3
    assert journal(second.folder.root)[1].intermediate_values == {2: 0.4}


def test_trial_that_ended_unseen_is_entered_without_being_run(tmp_path: Path) -> None:
    first = Driver(simulated(tmp_path, PLAIN | {"study.asha": None}))
    task = begin(first.stage())
    run = Run(first.config, task)
    while not run.go_on()["final"]:
        pass
    second = Driver(first.config)
    assert begin(second.stage()).number == 1
    trial = journal(second.folder.root)[0]
    assert (trial.state.name, trial.value) == ("COMPLETE", pytest.approx(first_value(second, task)))
    assert list(trial.intermediate_values) == [2, 4, 6]
    assert second.watcher.told == [("trial-0000", "finished", "")]


def first_value(driver: Driver, task: TrialTask) -> float:
    return metrics_at(driver.config, task.run, 8)["validation/embedded/mean_zero_shot"]


def test_unseen_end_without_an_objective_is_a_failure(tmp_path: Path) -> None:
    first = Driver(simulated(tmp_path, PLAIN))
    task = begin(first.stage())
    file = Path(task.folder) / METRICS
    file.write_text(json.dumps({"train/loss/total": 1.0}), encoding="utf-8")
    second = Driver(first.config)
    second.stage()
    assert states(second) == ["FAIL"]
    assert second.watcher.told == [("trial-0000", "failed", "")]


def test_reports_that_the_book_lacks_are_entered_and_compared_at_resume(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, PLAIN))
    stage = driver.stage()
    tasks = [begin(stage, live) for live in range(3)]
    values = {task.number or 0: first_value(driver, task) for task in tasks}
    best, *_, worst = sorted(tasks, key=lambda task: -values[task.number or 0])
    middle = next(t for t in tasks if t not in (best, worst))
    # The middle one has passed the rung before any other was there.
    assert not stage.report(middle, Run(driver.config, middle).go_on())
    Run(driver.config, best).go_on()
    Run(driver.config, worst).go_on()
    second = Driver(driver.config)
    again = second.stage()
    trials = journal(second.folder.root)
    assert all(2 in trial.intermediate_values for trial in trials)
    assert trials[worst.number or 0].state.name == "PRUNED"
    assert second.watcher.told == [(worst.name, "pruned", "")]
    assert {begin(again, live).number for live in range(2)} == {best.number, middle.number}
    assert [trials[t.number or 0].user_attrs[names.PASSED] for t in (best, middle)] == [2, 2]


def test_trial_that_passed_a_rung_is_not_compared_there_again(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, PLAIN))
    stage = driver.stage()
    first, second = begin(stage), begin(stage, 1)
    assert not stage.report(first, {"step": 2, OBJECTIVE: 0.4})
    assert not stage.report(second, {"step": 2, OBJECTIVE: 0.8})
    again = Driver(driver.config).stage()
    task = begin(again)
    assert task.number == first.number
    assert not again.report(task, {"step": 2, OBJECTIVE: 0.4})
    assert again.report(task, {"step": 4, OBJECTIVE: 0.4}) is False, "the first at its rung"
    assert states(driver) == ["RUNNING", "RUNNING"]


def test_more_trials_are_tried_when_their_number_is_raised(tmp_path: Path) -> None:
    for trials in (2, 5, 3):
        driver = Driver(simulated(tmp_path, PLAIN | {"study.trials": trials}))
        assert drive(driver.config, desk_of(driver.stage())) == "trials"
    assert len(states(driver)) == 5


def test_terminator_ends_the_search_once_enough_trials_have_finished(tmp_path: Path) -> None:
    changes = PLAIN | {"study.asha": None, "study.trials": 12}
    terminator = {"min_trials": 4, "standard_errors": 1e6}
    driver = search(simulated(tmp_path / "a", changes | {"study.terminator": terminator}))
    assert states(driver) == ["COMPLETE"] * 4
    again = Driver(driver.config)
    reason = drive(again.config, desk_of(again.stage()))
    assert reason is not None and reason.startswith("terminator: more trials could gain")
    assert states(again) == ["COMPLETE"] * 4, "a resumed search has ended too"
    strict = terminator | {"standard_errors": 1e-9}
    other = search(simulated(tmp_path / "b", changes | {"study.terminator": strict}))
    assert states(other) == ["COMPLETE"] * 12


def test_reason_left_by_a_driver_that_died_is_not_that_of_a_finished_trial(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, PLAIN | {"study.trials": 1}))
    begin(driver.stage())
    driver.book._set(0, names.ERROR, "went away")
    driver = search(driver.config)
    (result,) = rank_trials(driver.book.own_trials(), driver.config)
    assert (result.state, result.error) == ("finished", None)


def test_limits_and_objectives_are_in_the_book_and_decide_the_choice(tmp_path: Path) -> None:
    changes = PLAIN | {
        "study.asha": None,
        "study.also_optimise": ["source"],
        "study.constraints": {"de": {"at_least": 0.72}},
    }
    driver = search(simulated(tmp_path, changes))
    trials = driver.book.trials()
    assert {len(trial.values) for trial in trials} == {2}
    assert all(list(trial.constraints) == ["de at_least 0.72"] for trial in trials)
    ranking = rank_trials(trials, driver.config)
    feasible = [r.number for r in ranking if r.feasible]
    key = "validation/embedded/de/accuracy"
    kept = [t.number for t in trials if t.user_attrs[names.METRICS][key] >= 0.72]
    assert sorted(feasible) == kept and 0 < len(kept) < len(trials)
    assert [r.feasible for r in ranking] == [True] * len(kept) + [False] * (9 - len(kept))


def test_world_with_every_fault_is_survived(tmp_path: Path) -> None:
    world = World({("trial-0000", 2): [Fault.ERROR], ("trial-0001", 4): [Fault.LOST] * 3})
    driver = search(simulated(tmp_path, PLAIN | {"study.asha": None}), at_once=2, world=world)
    assert states(driver) == ["COMPLETE"] * 9
    assert driver.book.attempts(0) == Attempts(errors=1)
    assert driver.book.attempts(1) == Attempts(losses=3)


def test_sampler_learns_to_avoid_what_is_refused(tmp_path: Path) -> None:
    """Half of the first values are refused; a sampler that is not told would go on like that."""
    late: list[bool] = []
    for seed in (3, 4, 5):
        changes = {
            "study.seed": seed,
            "study.trials": 40,
            "study.startup_trials": 8,
            "study.asha": None,
            "study.space.model.freeze_layers": {"type": "categorical", "choices": [0, 5]},
        }
        trials = search(simulated(tmp_path / str(seed), changes)).book.own_trials()
        refused = [trial.params["model.freeze_layers"] == 5 for trial in trials]
        assert [trial.state is TrialState.FAIL for trial in trials] == refused
        late += refused[20:]
    # 30 of 60 without being told; 20 or fewer then have a probability of 0.7%.
    assert sum(late) <= 20
