"""The benchmark of what Optuna is told: its premise, its simulation and its statistics."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch
from scipy.stats import ttest_rel, wilcoxon

from mlctl_ray.config import StudyConfig
from mlctl_ray.search.proposal import make_sampler

FOLDER = Path(__file__).parents[2] / "benchmarks"
TRIALS = 14
SEEDS = (0, 1, 2)


def load(name: str) -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


curves = load("learning_curves")
retrieval = load("retrieval_curves")
search = load("simulated_search")
surrogates = load("surrogates")
bench = load("pruned_told")


def small(seed: int, surrogate: str = "rising, then falling") -> StudyConfig:
    """A short study in which TPE proposes most trials."""
    config: StudyConfig = bench.SURROGATES[surrogate].config(seed, TRIALS)
    return config.model_copy(
        update={"study": config.study.model_copy(update={"startup_trials": 4})}
    )


def run(config: StudyConfig, arm: Any, surrogate: str = "rising, then falling") -> list[Any]:
    runs: list[Any] = search.simulate(config, bench.make_problem(config, surrogate), arm)
    return runs


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("surrogate", bench.SURROGATES)
def test_book_has_pruned_for_exactly_what_the_scheduler_stopped(seed: int, surrogate: str) -> None:
    config = small(seed, surrogate)
    arm = search.ProjectArm(config, TrialState.PRUNED)
    runs = run(config, arm, surrogate)
    trials = arm.trials()
    assert len(trials) == len(runs) == TRIALS
    assert {r.stopped for r in runs} == {True, False}
    for trial, ran in zip(trials, runs, strict=True):
        assert trial.state is (TrialState.PRUNED if ran.stopped else TrialState.COMPLETE)
        if ran.stopped:
            assert max(trial.intermediate_values.items()) == (ran.step, ran.value)
        else:
            assert trial.value == ran.value
            assert ran.step == config.optimisation.steps


@pytest.mark.parametrize("seed", SEEDS)
def test_optuna_search_tells_complete_for_the_stopped(seed: int) -> None:
    config = small(seed)
    arm = search.RayArm(config, make_sampler(config, seed))
    runs = run(config, arm)
    trials = arm.trials()
    assert any(r.stopped for r in runs)
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert [trial.value for trial in trials] == [r.value for r in runs]
    for trial, ran in zip(trials, runs, strict=True):
        # The rung's value is not among the reports: Tune ends the trial instead.
        assert (ran.step in trial.intermediate_values) is not ran.stopped


@pytest.mark.slow
def test_tune_calls_the_searcher_in_the_simulated_order(tmp_path: Path) -> None:
    calls: dict[str, list[tuple[str, int, float]]] = {}

    class Recorded(OptunaSearch):  # type: ignore[misc]
        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            calls.setdefault(trial_id, []).append(("result", result["training_iteration"], 0))
            super().on_trial_result(trial_id, result)

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            step, value = result["training_iteration"], result["value"]
            calls.setdefault(trial_id, []).append(("complete", step, value))
            super().on_trial_complete(trial_id, result, error)

        def save(self, checkpoint_path: str) -> None:
            """Nothing: local functions cannot be pickled, and nothing is restored."""

    def trainable(config: dict[str, float]) -> None:
        for _ in range(3):
            tune.report({"value": config["x"]})

    def space(trial: Any) -> None:
        trial.suggest_float("x", 0, 1)

    searcher = Recorded(space, metric="value", mode="max", sampler=RandomSampler(0))
    scheduler = AsyncHyperBandScheduler(grace_period=1, reduction_factor=3, max_t=4)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric="value", mode="max", num_samples=4, search_alg=searcher, scheduler=scheduler,
                max_concurrent_trials=1,
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
        ).fit()  # fmt: skip
    finally:
        ray.shutdown()
    stopped = [told for told in calls.values() if told[-1][1] == 1]
    finished = [told for told in calls.values() if told[-1][1] == 3]
    assert stopped
    assert finished
    assert len(stopped) + len(finished) == 4
    assert all([kind for kind, *_ in told] == ["complete"] for told in stopped)
    assert all(told[0][:2] == ("result", 1) for told in finished)
    trials = searcher._ot_study.get_trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert {told[-1][2] for told in stopped} <= {trial.value for trial in trials}


@pytest.mark.parametrize("seed", SEEDS)
def test_told_complete_differs_from_told_pruned_in_the_telling_alone(seed: int) -> None:
    config = small(seed)
    arms = [search.ProjectArm(config, s) for s in (TrialState.PRUNED, TrialState.COMPLETE)]
    pruned, complete = (run(config, arm) for arm in arms)
    told = [[trial.number for trial in arm.trials() if trial.state.is_finished()] for arm in arms]
    assert told[0] == told[1] == list(range(TRIALS))
    assert {trial.state for trial in arms[1].trials()} == {TrialState.COMPLETE}
    startup = config.study.startup_trials
    assert [r.values for r in pruned[:startup]] == [r.values for r in complete[:startup]]


@pytest.mark.parametrize("name", bench.ARMS)
@pytest.mark.parametrize("surrogate", ["rising, then falling", surrogates.RETRIEVAL])
def test_simulation_is_deterministic(name: str, surrogate: str) -> None:
    config = small(1, surrogate)
    first, second = (run(config, bench.ARMS[name](config), surrogate) for _ in range(2))
    assert first == second
    other = small(2, surrogate)
    assert run(other, bench.ARMS[name](other), surrogate) != first


def test_every_seed_runs_four_trials_at_once() -> None:
    class Counting(search.RayArm):  # type: ignore[name-defined, misc]
        most = 0

        def ask(self) -> Any:
            asked = super().ask()
            running = [t for t in self.trials() if t.state is TrialState.RUNNING]
            Counting.most = max(Counting.most, len(running))
            return asked

    config = small(0)
    run(config, Counting(config, RandomSampler(0)))
    assert Counting.most == search.WORKERS


CONFIGURATIONS, ALIGNED = (
    tuple(surrogates.random_configurations(bench.SURROGATES[name].config(0), 0, 64))
    for name in ("rising", surrogates.RETRIEVAL)
)


@given(st.integers(0, 2**31 - 1), st.sampled_from(CONFIGURATIONS), st.floats(0, 1), st.floats(0, 1))
def test_curves_stay_in_range_rise_and_forget(
    seed: int, values: dict[str, Any], one: float, two: float
) -> None:
    rising, falling = (curves.draw(seed, forgetting, 0.05) for forgetting in (False, True))
    early, late = sorted((one, two))
    assert 1 / 3 <= rising.accuracy(values, early) <= rising.accuracy(values, late) < 1
    assert 1 / 3 <= falling.accuracy(values, late) <= rising.accuracy(values, late)


def test_a_high_rate_leads_early_and_ends_low_where_curves_forget() -> None:
    # Both rates are as far from the optimum, so only speed and forgetting tell them apart.
    rising = curves.Problem(2e-4, {}, {}, forgets_at=None, align=0.05)
    falling = replace(rising, forgets_at=1e-4)
    setting = {"objective.levels": "none", "optimisation.schedule": "joint"}
    low, high = ({**setting, "optimisation.learning_rate": rate} for rate in (1e-4, 4e-4))
    for problem in (rising, falling):
        assert problem.accuracy(high, 1 / 9) > problem.accuracy(low, 1 / 9) + 0.05
    assert rising.accuracy(high, 1.0) > rising.accuracy(low, 1.0)
    assert falling.accuracy(high, 1.0) < falling.accuracy(low, 1.0) - 0.05
    assert falling.accuracy(high, 1.0) < falling.accuracy(high, 1 / 3) - 0.05


@given(st.integers(0, 2**31 - 1), st.sampled_from(ALIGNED), st.floats(0, 1), st.floats(0, 1))
def test_retrieval_only_falls_after_the_alignment_phase(
    seed: int, values: dict[str, Any], one: float, two: float
) -> None:
    problem = retrieval.draw(seed, 0.05)
    early, late = (0.05 + 0.95 * share for share in sorted((one, two)))
    assert 0 < problem.accuracy(values, late) <= problem.accuracy(values, early) < 1
    # The first rung of the benchmark lies after the phase: its value is above the end, always.
    assert problem.accuracy(values, 1 / 9) > problem.accuracy(values, 1.0)


def aligned(schedule: str, rate: float = 1e-4, weight: float = 0.17) -> dict[str, Any]:
    return {
        "objective.levels": "multi",
        "objective.batch_size": 256,
        "objective.multi.temperature": 0.1,
        "objective.multi.offset": 1.0,
        "objective.multi.weight": weight,
        "optimisation.schedule": schedule,
        "optimisation.learning_rate": rate,
    }


def test_retrieval_falls_by_schedule_rate_and_weight() -> None:
    best = retrieval.AlignmentOptimum(gain=2.0, temperature=0.1, offset=1.0)
    problem = retrieval.RetrievalProblem(-1.0, {"multi": best}, decline=1.0, pull=0.03, align=0.05)

    def fall(values: dict[str, Any]) -> float:
        return float(problem.accuracy(values, 1 / 9) - problem.accuracy(values, 1.0))

    joint, finetune = (aligned(f"align_then_{kind}") for kind in ("joint", "finetune"))
    assert problem.accuracy(joint, 0.05) == problem.accuracy(finetune, 0.05)
    assert 0 < fall(joint) < fall(finetune) / 2
    assert fall(aligned("align_then_joint", weight=0.01)) > fall(joint) + 0.1
    high, low = (aligned("align_then_finetune", rate=rate) for rate in (2e-4, 5e-5))
    assert problem.accuracy(high, 0.05) > problem.accuracy(low, 0.05)
    assert problem.accuracy(high, 1.0) < problem.accuracy(low, 1.0)
    # Without a level there is nothing to lose but what the pre-trained encoder has.
    none = {**finetune, "objective.levels": "none"}
    assert problem.accuracy(none, 0.0) == pytest.approx(1 / (1 + math.e))
    assert 0 < fall(none) < fall(finetune)


@pytest.mark.parametrize("surrogate", bench.SURROGATES)
def test_first_rung_ranks_like_the_end_but_not_the_same(surrogate: str) -> None:
    found = [surrogates.premise(seed, surrogate) for seed in SEEDS]
    assert 0.2 < np.mean([one.correlation for one in found]) < 0.9
    above_own = {one.above_own for one in found}
    if surrogate in (surrogates.RETRIEVAL, surrogates.FINETUNE):
        assert above_own == {1.0}
        assert all(one.above_all < 1 for one in found)
        assert any(one.above_all > 0 for one in found)
    elif surrogate == "rising":
        assert above_own == {0.0}
    else:
        assert all(0 < share < 1 for share in above_own)


def test_retrieval_is_what_its_study_selects_and_its_phases_what_it_searches() -> None:
    config = bench.SURROGATES[surrogates.RETRIEVAL].config(0)
    shipped = search.make_config(0)
    assert config.study.selection == "retrieval"
    assert {v["optimisation.schedule"] for v in ALIGNED} == {
        "align_then_joint", "align_then_finetune"
    }  # fmt: skip
    assert list(config.study.space) == list(shipped.study.space)
    changed = [n for n, d in config.study.space.items() if d != shipped.study.space[n]]
    assert changed == ["optimisation.schedule"]


def test_outcome_reads_optunas_best_and_the_best_that_came_to_its_end() -> None:
    config = small(0, surrogates.RETRIEVAL)
    problem = bench.make_problem(config, surrogates.RETRIEVAL)

    class FirstStopped(search.ProjectArm):  # type: ignore[name-defined, misc]
        def best(self) -> int:
            return int(next(t.number for t in self.trials() if t.state is TrialState.PRUNED))

    arms = [kind(config, TrialState.PRUNED) for kind in (search.ProjectArm, FirstStopped)]
    ours, stopped = (search.outcome(config, problem, arm) for arm in arms)
    runs = run(config, search.ProjectArm(config, TrialState.PRUNED), surrogates.RETRIEVAL)
    ends = [r for r in runs if not r.stopped]
    best = max(ends, key=lambda r: r.value)
    assert ours.chosen == ours.optuna_best == problem.accuracy(best.values, 1.0)
    assert not ours.best_stopped
    assert ours.ahead == len([r for r in runs if r.stopped and r.value > best.value])
    first = next(r for r in runs if r.stopped)
    assert stopped.best_stopped
    assert stopped.chosen == ours.chosen
    assert stopped.optuna_best == problem.accuracy(first.values, 1.0)


def test_observations_have_the_noise_of_their_examples() -> None:
    drawn = [curves.observed(0.6, 300, seed=0, trial=trial, step=1) for trial in range(2000)]
    assert abs(np.mean(drawn) - 0.6) < 4 * math.sqrt(0.24 / 300 / 2000)
    assert np.std(drawn) == pytest.approx(math.sqrt(0.24 / 300), rel=0.1)
    assert drawn[7] == curves.observed(0.6, 300, seed=0, trial=7, step=1)


ROWS = len(bench.SURROGATES) * len(bench.MEASURES) * (len(bench.ARMS) - 1)


def fake(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    one = search.Outcome(
        chosen=0.6, optuna_best=0.6, late=0.5, stopped=3, ahead=0, best_stopped=False, evaluations=9
    )
    return {
        surrogate: {
            arm: replace(one, **{name: float(rng.uniform(0.4, 0.7)) for name in bench.MEASURES})
            for arm in bench.ARMS
        }
        for surrogate in bench.SURROGATES
    }


def test_comparisons_are_the_paired_tests_of_the_seeds() -> None:
    rng = np.random.default_rng(0)
    found = [fake(rng) for _ in range(12)]
    rows = bench.compare(found)
    assert len(rows) == ROWS
    for row in rows:
        ours, theirs = (
            np.array([100 * getattr(seed[row.surrogate][arm], row.measure) for seed in found])
            for arm in (bench.OURS, row.other)
        )
        low, high = ttest_rel(ours, theirs).confidence_interval()
        assert (row.low, row.high) == pytest.approx((low, high))
        assert row.mean == pytest.approx(float(np.mean(ours - theirs)))
        assert row.p == pytest.approx(wilcoxon(ours, theirs).pvalue)
        assert row.p <= row.p_holm <= 1


def test_arms_without_a_difference_are_not_told_apart() -> None:
    rng = np.random.default_rng(0)
    found = [
        {s: dict.fromkeys(arms, arms[bench.OURS]) for s, arms in fake(rng).items()}
        for _ in range(5)
    ]
    for row in bench.compare(found):
        assert (row.mean, row.low, row.high, row.equal, row.p) == (0, 0, 0, 5, 1)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / "pruned_told.py"), *arguments],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_command_prints_the_tables_and_writes_all_outcomes(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = command("--seeds", "2", "--trials", "8", "--json", str(file))
    assert done.returncode == 0, done.stderr
    for surrogate in bench.SURROGATES:
        rows = [r for r in done.stdout.splitlines() if r.startswith(f"| {surrogate} |")]
        assert len(rows) == 1 + len(bench.ARMS) + ROWS // len(bench.SURROGATES)
    kept = json.loads(file.read_text())
    assert len(kept["outcomes"]) == len(kept["premises"]) == 2
    assert len(kept["comparisons"]) == ROWS


@pytest.mark.slow
def test_command_refuses_what_it_cannot_do_before_any_work(tmp_path: Path) -> None:
    for arguments in (["--seeds", "1"], ["--trials", "3"], ["--json", str(tmp_path / "no" / "x")]):
        done = command(*arguments)
        assert done.returncode == 2
        assert arguments[0] in done.stderr
