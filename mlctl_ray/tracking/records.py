"""What leaves the tracking store: frozen values, no MLflow object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mlctl_ray.errors import Failure


class TrackingError(Failure):
    """The tracking store refused a call or went away during the work."""


class StoreUnavailableError(TrackingError):
    """The store does not answer, is locked or lets nobody in; the same call may succeed later."""


class RunMissingError(TrackingError):
    """The store knows no such run or experiment: it was deleted."""


class RunState(StrEnum):
    """State of a run; all but RUNNING are terminal."""

    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Stopped from outside before its end; can be taken up again."""


class Role(StrEnum):
    """What a run stands for in a study; RUN is a single run outside of any study."""

    STUDY = "study"
    TRIAL = "trial"
    REPLICATE = "replicate"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as it was in the store when it was read."""

    run_id: str
    name: str
    role: Role
    state: RunState
    number: int | None
    """Number of the trial, counted from 0; None for other roles."""
    variant: str | None
    """Named variant of a replicate; None for other roles."""
    seed: int | None
    """Seed of a replicate; None for other roles."""
    params: Mapping[str, str]
    """Dotted config names; text as it is, any other value as JSON."""
    metrics: Mapping[str, float]
    """Last value of each metric; NaN where a value was not finite."""
    tags: Mapping[str, str]
    started: datetime | None
    """In UTC."""
    ended: datetime | None
    """In UTC; None while the run is RUNNING."""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study with its runs."""

    name: str
    uri: str
    """Tracking URI with any password left out."""
    study: RunRecord
    trials: tuple[RunRecord, ...]
    """By number; a trial started twice stands twice, the older first."""
    replicates: tuple[RunRecord, ...]
    """By variant and seed."""
