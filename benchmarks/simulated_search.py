"""A search in virtual time: real samplers, storages and rungs on surrogate curves, nothing trained.

Two searchers are driven by the same simulation: this project's proposals and book, and Ray's own
OptunaSearch.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
from learning_curves import SCHEDULES, Curves, observed
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from ray.tune.result import TRAINING_ITERATION
from ray.tune.search.optuna import OptunaSearch

from mlctl_ray.config import StudyConfig, load_config
from mlctl_ray.config.space import CategoricalDomain
from mlctl_ray.search.book import Book
from mlctl_ray.search.halving import make_rungs
from mlctl_ray.search.measures import objectives
from mlctl_ray.search.proposal import propose
from mlctl_ray.search.sampling import decode, suggest

SPACE = Path(__file__).parents[1] / "search_spaces" / "flan_t5_base_xnli.yaml"
SETTINGS = (
    "study.known=[]",
    "study.asha={grace_evaluations: 1, reduction_factor: 3}",
    "optimisation.steps=9000",
    "optimisation.evaluate_every=1000",
    "optimisation.align_fraction=0.05",
    "data.retrieval={size: 1000}",
)
"""Nine evaluations a trial, rungs after the first and the third; no named variants first."""
TRIALS = 60
WORKERS = 4
LATE = 0.25
"""Share of the proposals that counts as late."""


def make_config(
    seed: int,
    trials: int = TRIALS,
    selection: str = "mean_zero_shot",
    schedules: Sequence[str] = SCHEDULES,
) -> StudyConfig:
    """The shipped space, with those schedules alone, and the benchmark's budget."""
    changed = [f"study.seed={seed}", f"study.trials={trials}", f"study.selection={selection}"]
    config = load_config(StudyConfig, SPACE, [*SETTINGS, *changed])
    schedule = CategoricalDomain(type="categorical", choices=list(schedules))
    space = config.study.space | {"optimisation.schedule": schedule}
    return config.model_copy(update={"study": config.study.model_copy(update={"space": space})})


class Arm(Protocol):
    """A searcher as the simulation drives it."""

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Number and configuration values of the next trial."""

    def reported(self, number: int, step: int, value: float) -> None:
        """A trial was evaluated and goes on."""

    def stopped(self, number: int, step: int, value: float) -> None:
        """The scheduler ended a trial at a rung."""

    def finished(self, number: int, step: int, value: float) -> None:
        """A trial came to the end of its budget."""

    def trials(self) -> list[FrozenTrial]:
        """All trials as Optuna has them."""

    def best(self) -> int:
        """Number of the trial that Optuna holds for the best."""


class ProjectArm:
    """This project's proposals and book.

    Args:
        state: what the book is told of a stopped trial; PRUNED is what the project does.
    """

    def __init__(self, config: StudyConfig, state: TrialState) -> None:
        self._config = config
        self._key = objectives(config)[0].key
        self._state = state
        self._study = optuna.create_study(direction="maximize")
        self._book = Book(config, self._study)

    def ask(self) -> tuple[int, dict[str, Any]]:
        """See `Arm`, as all below."""
        trials = self.trials()
        proposal = propose(self._config, trials, len(trials))
        self._book.born(proposal)
        return proposal.number, dict(proposal.values)

    def reported(self, number: int, step: int, value: float) -> None:
        self._book.reported(number, step, value)

    def stopped(self, number: int, step: int, value: float) -> None:
        self._book.reported(number, step, value)
        if self._state is TrialState.PRUNED:
            self._book.pruned(number, {self._key: value})
        else:
            self._book.finished(number, {self._key: value})

    def finished(self, number: int, step: int, value: float) -> None:
        self._book.finished(number, {self._key: value})

    def trials(self) -> list[FrozenTrial]:
        return self._book.trials()

    def best(self) -> int:
        return int(self._study.best_trial.number)


class RayArm:
    """Ray's OptunaSearch, called in the order of Tune's `_process_trial_result`.

    A result on which the scheduler stops a trial does not go to `on_trial_result`, only to
    `on_trial_complete`.
    """

    def __init__(self, config: StudyConfig, sampler: BaseSampler) -> None:
        self._space = config.study.space
        self._key = objectives(config)[0].key
        self._search = OptunaSearch(self._define, metric=self._key, mode="max", sampler=sampler)
        self._asked = 0

    def _define(self, trial: optuna.Trial) -> None:
        suggest(trial, self._space)

    def _result(self, step: int, value: float) -> dict[str, Any]:
        return {self._key: value, TRAINING_ITERATION: step}

    def ask(self) -> tuple[int, dict[str, Any]]:
        """See `Arm`, as all below."""
        number, self._asked = self._asked, self._asked + 1
        params = self._search.suggest(str(number))
        return number, decode(params, self._space)

    def reported(self, number: int, step: int, value: float) -> None:
        self._search.on_trial_result(str(number), self._result(step, value))

    def stopped(self, number: int, step: int, value: float) -> None:
        self._search.on_trial_complete(str(number), self._result(step, value))

    def finished(self, number: int, step: int, value: float) -> None:
        self.reported(number, step, value)
        self._search.on_trial_complete(str(number), self._result(step, value))

    def trials(self) -> list[FrozenTrial]:
        return list(self._search._ot_study.get_trials(deepcopy=False))

    def best(self) -> int:
        return int(self._search._ot_study.best_trial.number)


@dataclass(slots=True)
class Run:
    """A trial in the simulation; `value` is the last that was observed, `stopped` its end."""

    values: dict[str, Any]
    step: int = 0
    value: float = math.nan
    stopped: bool = False


def simulate(config: StudyConfig, problem: Curves, arm: Arm) -> list[Run]:
    """Run a search on `WORKERS` workers; its trials by number.

    An evaluation takes longer with every level. A worker asks for its next trial when one ends.
    """
    rungs = make_rungs(config)
    assert rungs is not None
    every, steps = config.optimisation.evaluate_every, config.optimisation.steps
    assert every is not None
    at_rung: dict[int, list[float]] = {step: [] for step in rungs.steps}
    runs: list[Run] = []
    due: list[tuple[float, int]] = []

    def start(now: float) -> None:
        number, values = arm.ask()
        runs.append(Run(values))
        heapq.heappush(due, (now + _period(values), number))

    for _ in range(WORKERS):
        start(0.0)
    while due:
        now, number = heapq.heappop(due)
        run = runs[number]
        run.step += every
        accuracy = problem.accuracy(run.values, run.step / steps)
        run.value = observed(
            accuracy, problem.examples, seed=config.study.seed, trial=number, step=run.step
        )
        others = list(at_rung.get(run.step, ()))
        if run.step in at_rung:
            at_rung[run.step].append(run.value)
        if run.step == steps:
            arm.finished(number, run.step, run.value)
        elif rungs.stops(run.value, others):
            run.stopped = True
            arm.stopped(number, run.step, run.value)
        else:
            arm.reported(number, run.step, run.value)
            heapq.heappush(due, (now + _period(run.values), number))
            continue
        if len(runs) < config.study.trials:
            start(now)
    return runs


def _period(values: Mapping[str, Any]) -> float:
    levels: str = values["objective.levels"]
    return 1.0 if levels == "none" else 1.25 + 0.25 * levels.count("+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search came to.

    Attributes:
        chosen: noise-free accuracy at full budget of the best finished trial.
        optuna_best: noise-free accuracy at full budget of Optuna's own best trial.
        late: mean noise-free accuracy at full budget of the last proposals.
        stopped: trials that the scheduler ended.
        ahead: of them, those whose last value lies above every finished trial's.
        best_stopped: Optuna's own best trial is one of them.
        evaluations: that the search paid for.
    """

    chosen: float
    optuna_best: float
    late: float
    stopped: int
    ahead: int
    best_stopped: bool
    evaluations: int


def outcome(config: StudyConfig, problem: Curves, arm: Arm) -> Outcome:
    """Simulate a search and measure it."""
    runs = simulate(config, problem, arm)
    finished = [run for run in runs if not run.stopped]
    chosen = max(finished, key=lambda run: run.value)
    best = runs[arm.best()]
    late = runs[-round(LATE * len(runs)) :]
    return Outcome(
        chosen=problem.accuracy(chosen.values, 1.0),
        optuna_best=problem.accuracy(best.values, 1.0),
        late=float(np.mean([problem.accuracy(run.values, 1.0) for run in late])),
        stopped=len(runs) - len(finished),
        ahead=sum(run.stopped and run.value > chosen.value for run in runs),
        best_stopped=best.stopped,
        evaluations=sum(run.step for run in runs) // (config.optimisation.evaluate_every or 1),
    )
