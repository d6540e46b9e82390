"""The search stage: which trial is next, whether it goes on, and what its end means."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..config import StudyConfig, plain
from ..errors import InputError
from ..evaluation.keys import DEVICE_HOURS
from ..training.reports import read_reports
from . import attributes as names
from .book import Book, Clock
from .budget import Ahead, Spent, exhausted, replicates_of
from .faults import Ending, Fail, Fault, Halt, Retry, decide
from .folder import StudyFolder
from .halving import make_rungs
from .measures import objectives
from .observer import Observer
from .proposal import Proposal, propose
from .protocol import OBJECTIVE, STEP, TrialTask, metrics_of
from .run_files import final_metrics
from .sampling import trial_seed
from .stage import Over, issue
from .terminator import little_to_gain


class SearchStage:
    """Hands out the study's trials; what they report and how they end goes into the book.

    Trials that ran when an earlier driver ended come first, under their own numbers.

    Args:
        examples: validation examples of one language, for the terminator.
    """

    def __init__(
        self,
        book: Book,
        folder: StudyFolder,
        clock: Clock,
        observer: Observer,
        examples: int,
    ) -> None:
        self.halted: str | None = None
        self._book = book
        self._config = book.config
        self._folder = folder
        self._clock = clock
        self._observer = observer
        self._examples = examples
        self._rungs = make_rungs(book.config)
        self._hours = _hours_so_far(book, folder)
        self._stopped: set[int] = set()
        self._again = deque(n for n in book.running() if not self._caught_up(n))
        self._over = self._little_to_gain()

    @property
    def spent(self) -> Spent:
        """What the study has used."""
        return Spent(
            trials=len(self._book.own_trials()),
            hours=self._clock.hours(),
            device_hours=sum(self._hours.values()),
        )

    def next(self, live: int) -> TrialTask | Over | None:
        """The next trial, born in the book before it is handed out."""
        self._clock.tick()
        while self.halted is None and self._again:
            task = self._task(self._again.popleft(), resume=True)
            if task is not None:
                return issue(task)
        while self._end_reason(live) is None:
            trials = self._book.trials()
            proposal = propose(self._config, trials, len(trials))
            task = self._born(proposal)
            if task is not None:
                return issue(task)
        return None if live else Over(self._end_reason(live) or "")

    def started(self, task: TrialTask) -> None:
        """A trial is at work."""
        self._observer.started(task)

    def report(self, task: TrialTask, result: Mapping[str, Any]) -> bool:
        """Keep the value in the book, then compare it at a rung."""
        self._clock.tick()
        number, step, metrics = _number(task), int(result[STEP]), metrics_of(result)
        self._hours[number] = metrics.get(DEVICE_HOURS, 0.0)
        if number in self._stopped:
            return True
        self._observer.reported(task, step, result[OBJECTIVE], metrics)
        if step >= task.steps:
            return False
        self._book.reported(number, step, result[OBJECTIVE])
        return self._stops(task, step, metrics)

    def ended(self, task: TrialTask, ending: Ending) -> None:
        """Tell the book the end, or that the trial goes on from its checkpoint."""
        number = _number(task)
        if number in self._stopped:
            return
        if ending.final:
            kept = self._book.finished(number, ending.metrics)
            self._observer.ended(task, "finished" if kept else "failed")
            self._over = self._over or self._little_to_gain()
        elif ending.fault is not None:
            self._fault(task, ending)
        else:
            self._observer.ended(task, "paused")

    def _fault(self, task: TrialTask, ending: Ending) -> None:
        number = _number(task)
        assert ending.fault is not None
        decision = decide(ending, self._book.attempts(number), self._config.study.retries)
        if isinstance(decision, Retry):
            self._book.retried(number, decision.attempts)
            self._again.append(number)
            self._observer.retried(task, ending.reason)
        elif isinstance(decision, Fail):
            self._book.failed(number, ending.fault, decision.reason, ending.metrics)
            self._observer.ended(task, "failed", decision.reason)
        elif isinstance(decision, Halt):
            self.halted = decision.reason
            self._observer.ended(task, "paused", decision.reason)

    def _stops(self, task: TrialTask, step: int, metrics: Mapping[str, float]) -> bool:
        """Compare a trial at a rung, once; a trial that stops is pruned in the book."""
        number = _number(task)
        if self._rungs is None or step not in self._rungs.steps:
            return False
        trial = self._book.trial(number)
        if step <= trial.user_attrs.get(names.PASSED, 0) or step not in trial.intermediate_values:
            return False
        others = [
            other.intermediate_values[step]
            for other in self._book.trials()
            if other.number != number and step in other.intermediate_values
        ]
        if not self._rungs.stops(trial.intermediate_values[step], others):
            self._book.passed(number, step)
            return False
        self._book.pruned(number, metrics)
        self._stopped.add(number)
        self._observer.ended(task, "pruned")
        return True

    def _caught_up(self, number: int) -> bool:
        """Enter what a trial did after its driver last wrote; whether it has ended by that."""
        task = self._task(number, resume=True)
        if task is None:
            return True
        key = objectives(self._config)[0].key
        for report in read_reports(Path(task.folder)):
            if report.final or key not in report.metrics:
                continue
            self._book.reported(number, report.step, report.metrics[key])
            if self._stops(task, report.step, report.metrics):
                return True
        metrics = final_metrics(Path(task.folder))
        if metrics is not None:
            kept = self._book.finished(number, metrics)
            self._observer.ended(task, "finished" if kept else "failed")
        return metrics is not None

    def _end_reason(self, live: int) -> str | None:
        """Why no further trial starts."""
        if self.halted is not None:
            return self.halted
        if self._over is None:
            full = [
                self._hours[t.number]
                for t in self._book.own_trials()
                if t.state is TrialState.COMPLETE and t.number in self._hours
            ]
            ahead = Ahead(
                device_hours=statistics.fmean(full) if full else None,
                running=live,
                replicates=replicates_of(self._config),
            )
            return exhausted(self._config, self.spent, ahead)
        return self._over

    def _little_to_gain(self) -> str | None:
        """Why the terminator ends the search; once it has, it has for good."""
        terminator = self._config.study.terminator
        if terminator is None:
            return None
        reason: str | None = self._book.note(names.TERMINATED)
        if reason is None:
            reason = little_to_gain(terminator, self._book.trials(), self._examples)
            if reason is not None:
                self._book.write_note(names.TERMINATED, reason)
        return reason

    def _born(self, proposal: Proposal) -> TrialTask | None:
        """Write a trial to the book; None for values that do not go together: a failed trial."""
        try:
            trial_run(self._config, proposal.number, proposal.values)
        except InputError as error:
            self._book.refused(proposal, str(error))
            task = self._refused(proposal.number, proposal.variant)
            self._observer.ended(task, "failed", str(error))
            return None
        self._book.born(proposal)
        return self._task(proposal.number, resume=False)

    def _task(self, number: int, *, resume: bool) -> TrialTask | None:
        """The task of a trial in the book; None, and failed, if its values are refused now."""
        variant = self._book.trial(number).user_attrs.get(names.VARIANT)
        try:
            run = trial_run(self._config, number, self._book.values(number))
        except InputError as error:
            self._book.failed(number, Fault.CONFIGURATION, str(error), {})
            self._observer.ended(self._refused(number, variant), "failed", str(error))
            return None
        return _task_of(self._folder, number, variant, run, resume=resume)

    def _refused(self, number: int, variant: str | None) -> TrialTask:
        """Stands for a trial without a configuration."""
        return _task_of(self._folder, number, variant, {}, resume=False)


def trial_run(config: StudyConfig, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a trial as plain values.

    Raises:
        InputError: the values do not go together.
    """
    seed = trial_seed(config.study.seed, number)
    tree: dict[str, Any] = plain(config.run_config({**values, "seed": seed}))
    return tree


def trial_name(number: int) -> str:
    """Name of a trial's run."""
    return f"trial-{number:04d}"


def _task_of(
    folder: StudyFolder, number: int, variant: str | None, run: dict[str, Any], *, resume: bool
) -> TrialTask:
    return TrialTask(
        number=number,
        name=trial_name(number),
        variant=variant,
        run=run,
        folder=str(folder.trial(number)),
        splits=("validation",),
        resume=resume,
    )


def _number(task: TrialTask) -> int:
    if task.number is None:
        raise ValueError(f"{task.name} is not a trial")
    return task.number


def _hours_so_far(book: Book, folder: StudyFolder) -> dict[int, float]:
    """Device-hours of every trial by number."""
    hours: dict[int, float] = {}
    for trial in book.own_trials():
        held = trial.user_attrs.get(names.METRICS, {}).get(DEVICE_HOURS)
        hours[trial.number] = _last_hours(folder, trial) if held is None else held
    return hours


def _last_hours(folder: StudyFolder, trial: FrozenTrial) -> float:
    reports = read_reports(folder.trial(trial.number))
    return max((r.metrics.get(DEVICE_HOURS, 0.0) for r in reports), default=0.0)
