"""What a study may spend, what it has spent, and whether another trial may start."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import StudyConfig


@dataclass(frozen=True, slots=True)
class Spent:
    """What a study has used, over all its drivers.

    Attributes:
        trials: configurations that were begun.
        hours: wall time of the search.
        device_hours: of trials and replicates, ended or not.
    """

    trials: int
    hours: float
    device_hours: float


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is bound to be used still.

    Attributes:
        device_hours: of one trial that runs to its end; None before the first has.
        running: trials at work now, each counted in full.
        replicates: confirmation runs, for which budget is kept back.
    """

    device_hours: float | None
    running: int
    replicates: int


def exhausted(config: StudyConfig, spent: Spent, ahead: Ahead) -> str | None:
    """The limit that another trial would break; None if it may start."""
    study = config.study
    if spent.trials >= study.trials:
        return "trials"
    if study.max_hours is not None and spent.hours >= study.max_hours:
        return "max_hours"
    needed = spent.device_hours
    if ahead.device_hours is not None:
        needed += ahead.device_hours * (1 + ahead.running + ahead.replicates)
    if study.max_device_hours is not None and _reaches(needed, study.max_device_hours, spent):
        return "max_device_hours"
    if study.max_cost is not None:
        limit = study.max_cost / study.price_per_device_hour
        if _reaches(needed, limit, spent):
            return "max_cost"
    return None


def _reaches(needed: float, limit: float, spent: Spent) -> bool:
    return needed > limit or spent.device_hours >= limit


def replicates_of(config: StudyConfig) -> int:
    """Runs of the confirmation stage."""
    stage = config.study.confirmation
    return stage.replicates * (1 + int(stage.runner_up) + len(stage.variants))
