"""What a study returns: frozen values, and the pure functions that rank them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..config import StudyConfig
from . import attributes as names
from .measures import Objective, objectives
from .sampling import decode


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial as the book has it.

    Attributes:
        state: `finished`, `pruned`, `failed` or `running`.
        objective: last value of the selection metric; NaN if there is none.
        values: of every objective of a finished trial.
        feasible: it keeps every limit of `study.constraints`.
        pareto: no other finished trial that keeps the limits is better by every objective.
        parameters: searched fields by dotted name.
        metrics: its last metrics.
    """

    number: int
    state: str
    variant: str | None
    objective: float
    step: int | None
    parameters: Mapping[str, Any]
    values: tuple[float, ...] = ()
    feasible: bool = True
    pareto: bool = False
    error: str | None = None
    metrics: Mapping[str, float] | None = None

    @property
    def eligible(self) -> bool:
        """Whether it may be chosen."""
        return self.state == "finished" and self.feasible


@dataclass(frozen=True, slots=True)
class ReplicateResult:
    """One confirmation run: its metrics on test, or None if it failed."""

    variant: str
    seed: int
    metrics: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """Plan, limit and spent amount of one resource; None where it is not known or not set."""

    what: str
    plan: float | None
    limit: float | None
    spent: float | None


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study: its trials ranked, its confirmation runs, and where everything is.

    Attributes:
        ended_by: why the search started no further trial.
        model: URI of the registered best model; None if it could not be kept.
    """

    name: str
    tracking_uri: str
    folder: str
    ranking: tuple[TrialResult, ...]
    replicates: tuple[ReplicateResult, ...]
    ended_by: str = ""
    budget: tuple[BudgetRow, ...] = ()
    model: str | None = None

    @property
    def best(self) -> TrialResult | None:
        """The best finished trial that keeps the limits."""
        return next((trial for trial in self.ranking if trial.eligible), None)


_STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
_ORDER = ("finished", "pruned", "running", "failed")


def rank_trials(trials: Sequence[FrozenTrial], config: StudyConfig) -> tuple[TrialResult, ...]:
    """Finished trials by objective, then pruned ones by how far they came, then the failed.

    Finished trials that break a limit come after those that keep all.

    Args:
        trials: the study's own.
    """
    front = pareto_front(trials, objectives(config))
    results = [_result(trial, config, trial.number in front) for trial in trials]
    return tuple(sorted(results, key=_rank))


def pareto_front(trials: Sequence[FrozenTrial], measured: Sequence[Objective]) -> frozenset[int]:
    """Numbers of the finished trials that keep the limits and are dominated by none of those."""
    points = _points(trials, measured)
    return frozenset(number for number in points if _leads(number, points))


def is_on_front(number: int, trials: Sequence[FrozenTrial], measured: Sequence[Objective]) -> bool:
    """Whether `pareto_front` holds one trial; cheaper than the whole front."""
    points = _points(trials, measured)
    return number in points and _leads(number, points)


def _points(
    trials: Sequence[FrozenTrial], measured: Sequence[Objective]
) -> dict[int, tuple[float, ...]]:
    """Objectives, more being better, of the finished trials that keep the limits."""
    signs = [1.0 if o.direction == "maximize" else -1.0 for o in measured]
    return {
        trial.number: tuple(s * v for s, v in zip(signs, trial.values or (), strict=True))
        for trial in trials
        if trial.state is TrialState.COMPLETE and is_feasible(trial)
    }


def _leads(number: int, points: Mapping[int, tuple[float, ...]]) -> bool:
    return not any(_dominates(other, points[number]) for other in points.values())


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial keeps every limit."""
    return all(excess <= 0 for excess in trial.constraints.values())


def error_of(trial: FrozenTrial) -> str | None:
    """Why a trial failed; None if it did not.

    A driver that dies between reason and state leaves a reason on a trial that then goes on.
    """
    return trial.user_attrs.get(names.ERROR) if trial.state is TrialState.FAIL else None


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    at_least = all(a >= b for a, b in zip(one, other, strict=True))
    return at_least and any(a > b for a, b in zip(one, other, strict=True))


def _rank(result: TrialResult) -> tuple[int, bool, float, float, int]:
    objective = -math.inf if math.isnan(result.objective) else result.objective
    step = result.step if result.step is not None and result.state != "finished" else 0
    state = _ORDER.index(result.state)
    return state, not result.feasible, -step, -objective, result.number


def _result(trial: FrozenTrial, config: StudyConfig, pareto: bool) -> TrialResult:
    step = trial.last_step
    values = tuple(trial.values or ()) if trial.state is TrialState.COMPLETE else ()
    value = values[0] if values else None
    if value is None and step is not None:
        value = trial.intermediate_values[step]
    return TrialResult(
        number=trial.number,
        state=_STATES[trial.state],
        variant=trial.user_attrs.get(names.VARIANT),
        objective=math.nan if value is None else value,
        step=step,
        parameters=decode(trial.params, config.study.space),
        values=values,
        feasible=is_feasible(trial),
        pareto=pareto,
        error=error_of(trial),
        metrics=trial.user_attrs.get(names.METRICS),
    )


def spread_of(replicates: Sequence[ReplicateResult], variant: str, key: str) -> list[float]:
    """A metric of a variant over its seeds, failed runs left out."""
    return [r.metrics[key] for r in replicates if r.variant == variant and r.metrics is not None]
