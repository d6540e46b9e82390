"""How a run's execution ended, and whether it is tried again: decisions as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ..config import RetriesConfig


class Fault(StrEnum):
    """Kinds of faults, each with a budget of its own."""

    CONFIGURATION = "configuration"
    """The values themselves: non-finite loss, out of memory, a combination that is refused."""
    ERROR = "error"
    """An error in the run's own process."""
    LOST = "lost"
    """The process, a worker or the machine went away."""
    STORAGE = "storage"
    """The disk is full or the folder unreachable: every run would fail."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the execution of a task ended.

    Attributes:
        metrics: last metrics that it reported.
        final: it came to its own end.
        paused: it saved a checkpoint and ended as it was asked to.
        fault: why it did neither; None also for a run that the scheduler stopped.
        reason: of the fault, one line.
    """

    metrics: Mapping[str, float]
    final: bool = False
    paused: bool = False
    fault: Fault | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Faults that a run has survived."""

    errors: int = 0
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """The run goes on from its checkpoint."""

    attempts: Attempts


@dataclass(frozen=True, slots=True)
class Fail:
    """The run has failed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """The study cannot go on; the run is left as it is for `--resume`."""

    reason: str


def decide(ending: Ending, attempts: Attempts, retries: RetriesConfig) -> Retry | Fail | Halt:
    """What follows from a fault."""
    reason = ending.reason or "ended without a reason"
    if ending.fault is Fault.STORAGE:
        return Halt(reason)
    if ending.fault is Fault.ERROR and attempts.errors < retries.errors:
        return Retry(replace(attempts, errors=attempts.errors + 1))
    if ending.fault is Fault.LOST and attempts.losses < retries.preemptions:
        return Retry(replace(attempts, losses=attempts.losses + 1))
    survived = attempts.errors + attempts.losses
    return Fail(f"{reason} (after {survived} retries)" if survived else reason)
