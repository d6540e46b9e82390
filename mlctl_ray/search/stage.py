"""What a stage of a study is to the executor: tasks out, evaluations and ends in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from ..training.fence import claim
from ..training.requests import clear_request
from .faults import Ending
from .protocol import TrialTask


@dataclass(frozen=True, slots=True)
class Over:
    """A stage has nothing more to start, and why."""

    reason: str


class Stage(Protocol):
    """A stage of a study; it knows nothing of Ray."""

    halted: str | None
    """Why the study cannot go on, if it cannot."""

    def next(self, live: int) -> TrialTask | Over | None:
        """The next task; None while there may be one when a live one has ended."""

    def started(self, task: TrialTask) -> None:
        """A task is at work."""

    def report(self, task: TrialTask, result: Mapping[str, Any]) -> bool:
        """Take an evaluation; whether the run is to stop."""

    def ended(self, task: TrialTask, ending: Ending) -> None:
        """Take the end of a task's execution."""


def issue(task: TrialTask) -> TrialTask:
    """Make the run's folder take the writes of one new execution only."""
    token = uuid4().hex
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    clear_request(folder)
    claim(folder, token)
    return task.issued(token)
