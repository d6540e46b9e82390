"""What the tracking store should hold of each run, read from the book and the runs' folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..config import StudyConfig, flatten
from ..errors import InputError
from ..tracking import Point, Role, RunDocument, RunState
from ..training.reports import read_reports
from . import attributes as names
from .book import Book
from .confirmation import replicate_note
from .folder import StudyFolder
from .measures import objectives
from .protocol import TrialTask
from .results import error_of, is_feasible, is_on_front
from .search_stage import trial_name, trial_run

ARTIFACTS = ("config.yaml", "predictions", "pairs", "error.log")
INTERRUPTED = "interrupted; go on by --resume"
_STATES = {
    TrialState.COMPLETE: RunState.FINISHED,
    TrialState.PRUNED: RunState.PRUNED,
    TrialState.FAIL: RunState.FAILED,
    TrialState.RUNNING: RunState.RUNNING,
}
_REPLICATE_STATES = {
    "finished": RunState.FINISHED,
    "failed": RunState.FAILED,
    "running": RunState.RUNNING,
}


class Documents:
    """Reads the documents of a study's runs, from any thread.

    Attributes:
        closing: the driver is ending, so what runs still is interrupted.
    """

    def __init__(self, book: Book, folder: StudyFolder, environment: str) -> None:
        self.closing = False
        self._book = book
        self._config = book.config
        self._folder = folder
        self._environment = environment
        self._replicates: dict[str, TrialTask] = {}

    def add_replicates(self, tasks: Sequence[TrialTask]) -> None:
        """Make the documents of confirmation runs known."""
        self._replicates |= {task.name: task for task in tasks}

    def names(self) -> tuple[str, ...]:
        """Every run that the store should hold, trials by number first."""
        trials = (trial_name(trial.number) for trial in self._book.own_trials())
        return (*trials, *self._replicates)

    def read(self, name: str) -> RunDocument | None:
        """The document of a run as it stands; None for a confirmation run that was not begun."""
        task = self._replicates.get(name)
        if task is not None:
            return self._replicate(task)
        return self._trial(self._book.trial(int(name.removeprefix("trial-"))))

    def _trial(self, trial: FrozenTrial) -> RunDocument:
        folder = self._folder.trial(trial.number)
        variant = trial.user_attrs.get(names.VARIANT)
        state, error = self._shown(_STATES[trial.state], error_of(trial))
        return RunDocument(
            name=trial_name(trial.number),
            role=Role.TRIAL,
            number=trial.number,
            variant=None,
            seed=None,
            params=_params(self._config, trial.number, self._book.values(trial.number)),
            tags={**({"mlctl.variant": variant} if variant else {}), **self._standing(trial)},
            points=_points(folder),
            state=state,
            error=error,
            texts={"environment.json": self._environment},
            artifacts=_artifacts(folder),
        )

    def _replicate(self, task: TrialTask) -> RunDocument | None:
        if self._book.note(names.REPLICATE + task.name) is None:
            return None
        note = replicate_note(self._book, task.name)
        state, error = self._shown(_REPLICATE_STATES[note["state"]], note["error"])
        folder = Path(task.folder)
        return RunDocument(
            name=task.name,
            role=Role.REPLICATE,
            number=None,
            variant=task.variant,
            seed=int(task.run["seed"]),
            params=flatten(task.run),
            tags={},
            points=_points(folder),
            state=state,
            error=error,
            texts={"environment.json": self._environment},
            artifacts=_artifacts(folder),
        )

    def _shown(self, state: RunState, error: str | None) -> tuple[RunState, str | None]:
        if state is RunState.RUNNING and self.closing:
            return RunState.INTERRUPTED, INTERRUPTED
        return state, error

    def _standing(self, trial: FrozenTrial) -> dict[str, str]:
        """Tags about a finished trial among the others."""
        if trial.state is not TrialState.COMPLETE:
            return {}
        tags: dict[str, str] = {}
        if self._config.study.constraints:
            tags["mlctl.feasible"] = json.dumps(is_feasible(trial))
        measured = objectives(self._config)
        if len(measured) > 1:
            on_front = is_on_front(trial.number, self._book.own_trials(), measured)
            tags["mlctl.pareto"] = json.dumps(on_front)
        return tags


def _params(config: StudyConfig, number: int, values: Mapping[str, Any]) -> dict[str, object]:
    try:
        return flatten(trial_run(config, number, values))
    except InputError:
        return {**flatten(config.run_tree()), **values}


def _points(folder: Path) -> tuple[Point, ...]:
    reports = read_reports(folder)
    return tuple(Point(r.step, int(r.time * 1000), dict(r.metrics)) for r in reports)


def _artifacts(folder: Path) -> tuple[tuple[Path, str | None], ...]:
    found = (folder / name for name in ARTIFACTS)
    return tuple((p, p.name if p.is_dir() else None) for p in found if p.exists())
