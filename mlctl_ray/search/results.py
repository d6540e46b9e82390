"""What a study returns: frozen values, and the pure functions that rank them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from ..config import StudyConfig
from .sampling import decode
from .storage import VARIANT


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial as the journal has it.

    Attributes:
        state: `finished`, `pruned`, `failed` or `running`.
        objective: last value of the selection metric; NaN if there is none.
        parameters: searched fields by dotted name.
    """

    number: int
    state: str
    variant: str | None
    objective: float
    step: int | None
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplicateResult:
    """One confirmation run: its metrics on test, or None if it failed."""

    variant: str
    seed: int
    metrics: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study: its trials ranked, its confirmation runs, and where everything is."""

    name: str
    tracking_uri: str
    folder: str
    ranking: tuple[TrialResult, ...]
    replicates: tuple[ReplicateResult, ...]

    @property
    def best(self) -> TrialResult | None:
        """The best finished trial."""
        first = self.ranking[0] if self.ranking else None
        return first if first is not None and first.state == "finished" else None


_STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_ORDER = ("finished", "pruned", "running", "failed")


def rank_trials(study: optuna.Study, config: StudyConfig) -> tuple[TrialResult, ...]:
    """Finished trials by objective, then pruned ones by how far they came, then the failed."""
    results = [
        _result(trial, config)
        for trial in study.get_trials(deepcopy=False)
        if trial.state is not TrialState.WAITING
    ]
    return tuple(sorted(results, key=_rank))


def _rank(result: TrialResult) -> tuple[int, float, float, int]:
    objective = -math.inf if math.isnan(result.objective) else result.objective
    step = result.step if result.step is not None and result.state != "finished" else 0
    return _ORDER.index(result.state), -step, -objective, result.number


def _result(trial: optuna.trial.FrozenTrial, config: StudyConfig) -> TrialResult:
    step = trial.last_step
    value = trial.value if trial.state is TrialState.COMPLETE else None
    if value is None and step is not None:
        value = trial.intermediate_values[step]
    return TrialResult(
        number=trial.number,
        state=_STATES[trial.state],
        variant=trial.user_attrs.get(VARIANT),
        objective=math.nan if value is None else value,
        step=step,
        parameters=decode(trial.params, config.study.space),
    )


def spread_of(replicates: Sequence[ReplicateResult], variant: str, key: str) -> list[float]:
    """A metric of a variant over its seeds, failed runs left out."""
    return [r.metrics[key] for r in replicates if r.variant == variant and r.metrics is not None]
