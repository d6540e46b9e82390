"""What Optuna is told, with a real journal and Tune's calls made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from small_study import Place, journal

from mlctl_ray.config import StudyConfig, load_config
from mlctl_ray.errors import InputError
from mlctl_ray.search.confirmation import confirmation_tasks
from mlctl_ray.search.protocol import TrialTask, to_failure
from mlctl_ray.search.results import rank_trials
from mlctl_ray.search.searcher import StudySearcher
from mlctl_ray.search.storage import StudyFolder, open_study

FINISHED = "FINISHED"


class Bench:
    """A searcher over a journal in a folder."""

    def __init__(self, place: Place, *assignments: str, resume: bool = False) -> None:
        fixed = (
            "study.space.model.freeze_layers={type: constant, value: 0}",
            f"study.storage={place.folder / 'runs'}",
        )
        self.config = load_config(StudyConfig, place.study, [*fixed, *assignments])
        self.folder = StudyFolder.of(self.config)
        self.study = open_study(self.config, self.folder, resume=resume)
        self.refusals: list[tuple[TrialTask, str]] = []
        self.searcher = StudySearcher(
            self.study, self.config, self.folder, 2, lambda *r: self.refusals.append(r)
        )

    def begin(self, trial_id: str) -> TrialTask:
        config = self.searcher.suggest(trial_id)
        assert isinstance(config, dict)
        return TrialTask.of_config(config)


def result(step: int, objective: float, final: bool = False) -> dict[str, Any]:
    return {"step": step, "objective": objective, "final": final, "training_iteration": 1}


def test_places_are_limited_and_the_end_is_said(place: Place) -> None:
    bench = Bench(place, "study.trials=3")
    assert [bench.begin("a").number, bench.begin("b").number] == [0, 1]
    assert bench.searcher.suggest("c") is None
    bench.searcher.on_trial_complete("a", result(6, 0.5, final=True))
    assert bench.begin("c").number == 2
    bench.searcher.on_trial_complete("b", result(6, 0.5, final=True))
    assert bench.searcher.suggest("d") == FINISHED


def test_complete_pruned_and_failed_are_told_apart(place: Place) -> None:
    bench = Bench(place)
    ends: list[tuple[dict[str, Any] | None, bool]] = [
        (result(6, 0.7, final=True), False),
        (result(4, 0.3), False),
        (to_failure(ValueError("loss\nsecond line")), False),
        (None, True),
        (result(6, math.nan, final=True), False),
    ]
    for index, (end, error) in enumerate(ends):
        bench.begin(str(index))
        bench.searcher.on_trial_result(str(index), result(2, 0.1 * index))
        bench.searcher.on_trial_complete(str(index), end, error)
    trials = journal(bench.folder.root)
    assert [trial.state for trial in trials] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.FAIL,
        TrialState.FAIL,
    ]
    assert trials[0].value == 0.7
    assert trials[0].intermediate_values == {2: 0.0}
    # Tune calls no on_trial_result for the result at which it stops a trial.
    assert trials[1].intermediate_values == {2: pytest.approx(0.1), 4: pytest.approx(0.3)}


def test_refused_combination_is_a_failed_trial(place: Place) -> None:
    bench = Bench(place, "study.space.model.freeze_layers={type: constant, value: 5}")
    assert bench.searcher.suggest("a") == FINISHED
    assert {trial.state for trial in journal(bench.folder.root)} == {TrialState.FAIL}
    assert [task.number for task, _ in bench.refusals] == list(range(7))
    assert all("freeze_layers 5" in reason for _, reason in bench.refusals)


def test_trial_left_running_comes_back_under_its_number(place: Place) -> None:
    first = Bench(place)
    begun = [first.begin("a"), first.begin("b")]
    first.searcher.on_trial_result("b", result(2, 0.4))
    first.searcher.on_trial_complete("a", result(6, 0.5, final=True))
    third = first.begin("c")
    second = Bench(place, resume=True)
    assert second.searcher.remaining() == 7 - 3 + 2
    again = [second.begin("x"), second.begin("y")]
    assert [task.number for task in again] == [1, 2]
    assert [task.run for task in again] == [begun[1].run, third.run]
    assert all(task.resume for task in again) and not any(task.resume for task in begun)
    second.searcher.on_trial_complete("x", result(4, 0.3))
    assert journal(second.folder.root)[1].intermediate_values == {2: 0.4, 4: 0.3}
    assert second.begin("z").number == 3


def test_trial_killed_before_it_had_all_its_values_gets_the_rest(place: Place) -> None:
    first = Bench(place)
    trial = first.study.ask()
    trial.suggest_categorical("objective.levels", ["none", "sentence"])
    second = Bench(place, resume=True)
    task = second.begin("x")
    assert task.number == trial.number
    assert task.run["optimisation"]["learning_rate"] in (0.001, 0.003, 1e38)


def test_no_trial_starts_after_max_hours(place: Place) -> None:
    bench = Bench(place, "study.max_hours=1e-9")
    assert bench.searcher.suggest("a") == FINISHED
    assert bench.searcher.remaining() == 7


def test_sampler_models_parameters_together_and_does_not_repeat_itself(place: Place) -> None:
    first = Bench(place)
    sampler = first.study.sampler
    assert isinstance(sampler, TPESampler)
    assert sampler._multivariate and sampler._group
    drawn = [first.study.ask() for _ in range(3)]
    values = [t.suggest_float("probe", 0, 1) for t in drawn][2]
    second = Bench(place, resume=True)
    assert second.study.ask().suggest_float("probe", 0, 1) != values


def test_ranking_and_paired_replicates(place: Place) -> None:
    bench = Bench(place)
    for index, end in enumerate(
        [
            result(6, 0.5, final=True),
            result(4, 0.9),
            result(6, 0.8, final=True),
            result(2, 0.95),
            None,
            result(6, 0.8, final=True),
        ]
    ):
        bench.begin(str(index))
        bench.searcher.on_trial_complete(str(index), end, end is None)
    ranking = rank_trials(bench.study, bench.config)
    # Finished by objective (ties by number), pruned by how far they came, then the failed.
    assert [trial.number for trial in ranking] == [2, 5, 0, 1, 3, 4]
    assert [trial.state for trial in ranking][2:4] == ["finished", "pruned"]
    config = load_config(
        StudyConfig,
        place.study,
        ["study.confirmation.replicates=3", "study.confirmation.variants=[none, cz-snt]"],
    )
    tasks = confirmation_tasks(config, ranking[0], bench.folder)
    by_variant = {
        variant: [task.run["seed"] for task in tasks if task.variant == variant]
        for variant in ("best", "none", "cz-snt")
    }
    assert by_variant["best"] == by_variant["none"] == by_variant["cz-snt"]
    assert len(set(by_variant["best"])) == 3
    assert all(task.splits == ("validation", "test") and task.number is None for task in tasks)
    assert len({task.folder for task in tasks}) == len({task.name for task in tasks}) == 9
    levels = {task.variant: task.run["objective"]["levels"] for task in tasks}
    assert (levels["none"], levels["cz-snt"]) == ("none", "sentence")
    rates = {task.run["optimisation"]["learning_rate"] for task in tasks}
    assert rates == {ranking[0].parameters["optimisation.learning_rate"]}


def test_journal_refuses_what_would_mix_two_studies(place: Place, tmp_path: Path) -> None:
    Bench(place)
    with pytest.raises(InputError, match="--resume"):
        Bench(place)
    with pytest.raises(InputError, match="seed is 8"):
        Bench(place, "study.seed=8", resume=True)
    Bench(place, "study.trials=20", resume=True)
