"""What a stage tells those who watch: the tracking store and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from .protocol import TrialTask

State = Literal["finished", "pruned", "failed", "paused"]


class Observer:
    """Who is told what happens to runs, after it was written to the book; this one ignores it."""

    def started(self, task: TrialTask) -> None:
        """A run's execution has begun."""

    def reported(
        self, task: TrialTask, step: int, objective: float, metrics: Mapping[str, float]
    ) -> None:
        """A run was evaluated."""

    def retried(self, task: TrialTask, reason: str) -> None:
        """A run goes on from its checkpoint after a fault."""

    def ended(self, task: TrialTask, state: State, reason: str = "") -> None:
        """A run has ended, or paused for a later driver."""


class Observers(Observer):
    """Tells each of several observers in turn."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def started(self, task: TrialTask) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.started(task)

    def reported(
        self, task: TrialTask, step: int, objective: float, metrics: Mapping[str, float]
    ) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.reported(task, step, objective, metrics)

    def retried(self, task: TrialTask, reason: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.retried(task, reason)

    def ended(self, task: TrialTask, state: State, reason: str = "") -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.ended(task, state, reason)
