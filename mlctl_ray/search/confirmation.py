"""The confirmation stage: chosen configurations, trained again with new seeds, test once."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..config import VARIANTS, StudyConfig, plain
from ..errors import InputError
from . import attributes as names
from .book import Book
from .faults import Attempts, Ending, Fail, Halt, Retry, decide
from .folder import StudyFolder
from .observer import Observer
from .protocol import OBJECTIVE, STEP, TrialTask, metrics_of
from .results import ReplicateResult, TrialResult
from .run_files import final_metrics
from .sampling import replicate_seed
from .stage import Over, issue

BEST = "best"
RUNNER_UP = "runner-up"


@dataclass(frozen=True, slots=True)
class ConfirmationPlan:
    """What the stage trains, fixed before the first run so that no result on test can change it.

    Attributes:
        best: number of the best trial, and `runner_up` of the second best.
        variants: named variants, each with the best trial's other settings.
        seeds: of the replicates; every configuration is trained with each.
        asked_runner_up: whether a second best trial was to be confirmed; there may be none.
    """

    best: int
    runner_up: int | None
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    asked_runner_up: bool = True

    def to_note(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def of_note(cls, note: Mapping[str, Any]) -> ConfirmationPlan:
        """From plain values."""
        sequences = {name: tuple(note[name]) for name in ("seeds", "variants")}
        return cls(**{**note, **sequences})


def make_confirmation(config: StudyConfig, ranking: Sequence[TrialResult]) -> ConfirmationPlan:
    """Choose the best finished trial, and the next one with other parameters.

    Args:
        ranking: the trials, the best that may be chosen first.
    """
    stage = config.study.confirmation
    chosen = [trial for trial in ranking if trial.eligible]
    best = chosen[0]
    others = (t.number for t in chosen[1:] if dict(t.parameters) != dict(best.parameters))
    return ConfirmationPlan(
        best=best.number,
        runner_up=next(others, None) if stage.runner_up else None,
        variants=stage.variants,
        seeds=tuple(replicate_seed(config.study.seed, r) for r in range(stage.replicates)),
        asked_runner_up=stage.runner_up,
    )


def check_confirmation(config: StudyConfig, held: ConfirmationPlan) -> None:
    """Refuse another confirmation than the one that was begun.

    Raises:
        InputError: seeds or variants differ: adding some after a look at test would make the
            p-values wrong.
    """
    stage = config.study.confirmation
    for field, now, before in (
        ("replicates", stage.replicates, len(held.seeds)),
        ("variants", list(stage.variants), list(held.variants)),
        ("runner_up", stage.runner_up, held.asked_runner_up),
    ):
        if now != before:
            raise InputError(
                f"study.confirmation.{field}: {now} differs from {before}, with which the "
                "confirmation on test was begun; what is added after a look at test makes its "
                f"p-values wrong; allowed: {before}, or another study by --warm-start "
                f"{config.study.name}"
            )


def confirmation_tasks(
    config: StudyConfig, plan: ConfirmationPlan, book: Book, folder: StudyFolder
) -> tuple[TrialTask, ...]:
    """The runs of the stage; those of one seed are paired, the seeds one after the other.

    A named variant keeps the best trial's other settings, so that only the objective differs.
    """
    best = book.values(plan.best)
    settings = {BEST: best}
    if plan.runner_up is not None:
        settings[RUNNER_UP] = book.values(plan.runner_up)
    settings |= {variant: {**best, **VARIANTS[variant]} for variant in plan.variants}
    return tuple(
        TrialTask(
            number=None,
            name=f"{variant}-seed-{seed}",
            variant=variant,
            run=plain(config.run_config({**values, "seed": seed})),
            folder=str(folder.replicate(variant, seed)),
            splits=("validation", "test"),
            resume=True,
        )
        for seed, (variant, values) in itertools.product(plan.seeds, settings.items())
    )


def read_replicate(task: TrialTask) -> ReplicateResult:
    """The metrics that a confirmation run left in its folder."""
    metrics = final_metrics(Path(task.folder))
    return ReplicateResult(str(task.variant), int(task.run["seed"]), metrics)


def replicate_note(book: Book, name: str) -> dict[str, Any]:
    """How a replicate stands: `state` (running, finished, failed), `error`, `attempts`."""
    note: dict[str, Any] = book.note(names.REPLICATE + name) or {}
    return {"state": "running", "error": None, "attempts": {}, **note}


class ConfirmationStage:
    """Hands out the runs of a confirmation that have not ended."""

    def __init__(self, book: Book, tasks: Sequence[TrialTask], observer: Observer) -> None:
        self.halted: str | None = None
        self._book = book
        self._observer = observer
        self._waiting = deque(task for task in tasks if not self._caught_up(task))

    @property
    def waiting(self) -> int:
        """Runs that are still to be handed out."""
        return len(self._waiting)

    def next(self, live: int) -> TrialTask | Over | None:
        """The next run, marked in the book before it is handed out."""
        if self.halted is None and self._waiting:
            task = self._waiting.popleft()
            self._write(task, state="running")
            return issue(task)
        return None if live else Over(self.halted or "all runs have ended")

    def started(self, task: TrialTask) -> None:
        """A run is at work."""
        self._observer.started(task)

    def report(self, task: TrialTask, result: Mapping[str, Any]) -> bool:
        """No run is stopped."""
        self._observer.reported(task, int(result[STEP]), result[OBJECTIVE], metrics_of(result))
        return False

    def ended(self, task: TrialTask, ending: Ending) -> None:
        """Tell the book the end, or that the run goes on from its checkpoint."""
        if ending.final:
            self._write(task, state="finished")
            self._observer.ended(task, "finished")
        elif ending.fault is not None:
            self._fault(task, ending)
        else:
            self._observer.ended(task, "paused")

    def _fault(self, task: TrialTask, ending: Ending) -> None:
        attempts = Attempts(**replicate_note(self._book, task.name)["attempts"])
        decision = decide(ending, attempts, self._book.config.study.retries)
        if isinstance(decision, Retry):
            self._write(task, attempts=asdict(decision.attempts))
            self._waiting.append(task)
            self._observer.retried(task, ending.reason)
        elif isinstance(decision, Fail):
            self._write(task, state="failed", error=decision.reason)
            self._observer.ended(task, "failed", decision.reason)
        elif isinstance(decision, Halt):
            self.halted = decision.reason
            self._observer.ended(task, "paused", decision.reason)

    def _caught_up(self, task: TrialTask) -> bool:
        """Whether a run has ended; one that did so unseen is entered now."""
        state = replicate_note(self._book, task.name)["state"]
        if state == "running" and final_metrics(Path(task.folder)) is not None:
            self._write(task, state="finished")
            self._observer.ended(task, "finished")
            return True
        return bool(state != "running")

    def _write(self, task: TrialTask, **changes: Any) -> None:
        note = {**replicate_note(self._book, task.name), **changes}
        self._book.write_note(names.REPLICATE + task.name, note)


def confirmation_begun(book: Book) -> ConfirmationPlan | None:
    """The confirmation that was begun; None before it."""
    note = book.note(names.CONFIRMATION)
    return None if note is None else ConfirmationPlan.of_note(note)
