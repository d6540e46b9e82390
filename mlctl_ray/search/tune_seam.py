"""The seam to Ray Tune: Tune executes, the stage decides.

Ray's own OptunaSearch tells COMPLETE for trials that the scheduler stopped, so that Optuna's best
trial can be one that never came to its end (docs/search.md), and its restore keeps neither a
changed budget nor every trial. Here Tune holds no state of the study: each execution of a run is
one Tune trial, and a run that goes on after a fault is another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ..training.requests import request_pause
from .interrupt import Interruption
from .protocol import FAULT, OBJECTIVE, TrialTask, ending_of, is_report
from .stage import Over, Stage

_logger = logging.getLogger("ray.tune")


class Desk:
    """What searcher, scheduler and callback of one stage share.

    Args:
        capacity: runs that fit at once, now.
        cooperative: runs end themselves when they are to stop, since ending their process would
            leave what their workers hold behind.
        log: file in which the whole of an error stands.
        idle: called whenever no run is at work any more, after one that was lost or failed.
    """

    def __init__(
        self,
        stage: Stage,
        interruption: Interruption,
        capacity: Callable[[], int],
        *,
        cooperative: bool,
        log: Path,
        idle: Callable[[], object] = lambda: None,
    ) -> None:
        self.stage = stage
        self.interruption = interruption
        self.capacity = capacity
        self.cooperative = cooperative
        self.log = log
        self.idle = idle
        self.live: dict[str, TrialTask] = {}
        self.lost: dict[str, str] = {}
        self.faults: dict[str, Mapping[str, Any]] = {}
        self.over: str | None = None
        self.defect: BaseException | None = None

    def pause_all(self) -> None:
        """Ask every live run to save a checkpoint and end."""
        for task in self.live.values():
            request_pause(Path(task.folder))

    def guarded(self, act: Callable[[], Any], otherwise: Any) -> Any:
        """Run a decision of the stage; what it raises ends the stage, not a trial in Tune."""
        if self.defect is not None:
            return otherwise
        try:
            return act()
        except Exception as error:
            self.defect = error
            self.pause_all()
            return otherwise

    def next(self, trial_id: str) -> TrialTask | str | None:
        """The next task to start, None to wait, or the word for the end."""
        if self.interruption.asked or self.defect is not None or self.stage.halted is not None:
            return None if self.live else str(Searcher.FINISHED)
        if len(self.live) >= self.capacity():
            return None
        found = self.guarded(lambda: self.stage.next(len(self.live)), None)
        if isinstance(found, Over):
            self.over = found.reason
            return str(Searcher.FINISHED)
        if isinstance(found, TrialTask):
            self.live[trial_id] = found
            return found
        return None if self.live or self.defect is None else str(Searcher.FINISHED)

    def report(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Take a result; whether the run is to stop."""
        task = self.live.get(trial_id)
        if FAULT in result:
            self.faults[trial_id] = result
        if task is None or not is_report(result):
            return False
        stop: bool = self.guarded(lambda: self.stage.report(task, result), False)
        if stop and self.cooperative:
            request_pause(Path(task.folder))
            return False
        return stop

    def ended(self, trial_id: str, result: Mapping[str, Any] | None, error: bool) -> None:
        """Take the end of an execution."""
        task = self.live.pop(trial_id, None)
        if task is None:
            return
        lost = self.lost.pop(trial_id, "its process went away") if error else None
        fault = self.faults.pop(trial_id, None)
        ending = ending_of(result, lost) if fault is None else ending_of(fault, None)
        self.guarded(lambda: self.stage.ended(task, ending), None)
        if self.stage.halted is not None:
            self.pause_all()
        if ending.fault is not None and not self.live:
            self.idle()


class DeskSearcher(Searcher):
    """Hands the stage's tasks to Tune."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(metric=OBJECTIVE, mode="max")
        self._desk = desk

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher for a restore that a study does not use."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next task, None while there is none, FINISHED at the end."""
        found = self._desk.next(trial_id)
        return found.to_config() if isinstance(found, TrialTask) else found

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on the end of an execution."""
        self._desk.ended(trial_id, result, error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the book is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the book is the state."""


class DeskScheduler(FIFOScheduler):
    """Stops what the stage stops."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as the searcher."""
        return {}

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Pass on an evaluation."""
        stop = self._desk.report(trial.trial_id, result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Keep why an execution was lost; the searcher is told next, without it."""
        whole = str(trial.get_error() or "its process went away")
        _logger.warning("%s: %s", trial, whole)
        self._desk.lost[trial.trial_id] = f"{_gist(whole)}; see {self._desk.log}"


def _gist(error: str) -> str:
    """The line of Ray's long account of a lost actor that says what happened."""
    lines = [" ".join(line.split()) for line in error.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("The actor died", "The actor is dead"))]
    return (told or lines)[-1][:200]


class DeskCallback(Callback):
    """Says when a task is at work."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as the searcher."""
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Pass on the start."""
        task = self._desk.live.get(trial.trial_id)
        if task is not None:
            self._desk.guarded(lambda: self._desk.stage.started(task), None)
