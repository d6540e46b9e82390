"""Which checkpoints stay, and the best one as a model that others can load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config import StudyConfig, flatten
from ..evaluation.keys import accuracy_key, mean_zero_shot_key
from ..tracking import register_model
from ..training.checkpoint import find_checkpoint, remove_checkpoints, strip_loop_state
from ..training.export import export_model
from ..training.run import CHECKPOINT
from .book import Book
from .folder import StudyFolder
from .observer import Observer, State
from .protocol import TrialTask
from .results import TrialResult, rank_trials


def kept_numbers(ranking: Sequence[TrialResult], keep: int) -> frozenset[int]:
    """Trials whose checkpoints stay: the `keep` best that may be chosen, and the running ones.

    The Pareto set of several objectives stays too, if any does.
    """
    eligible = [trial for trial in ranking if trial.eligible]
    best = {trial.number for trial in eligible[:keep]}
    front = {t.number for t in eligible if t.pareto and len(t.values) > 1} if keep else set()
    running = {trial.number for trial in ranking if trial.state == "running"}
    return frozenset(best | front | running)


class CheckpointKeeper(Observer):
    """An observer that deletes checkpoints as their trials fall behind.

    What an earlier driver left behind is deleted at the first end.
    """

    def __init__(self, book: Book, folder: StudyFolder) -> None:
        self._book = book
        self._folder = folder
        self._held: set[int] | None = None

    def ended(self, task: TrialTask, state: State, reason: str = "") -> None:
        """Delete what is not kept; what is kept needs no optimiser any more."""
        if state == "paused":
            return
        if state == "finished":
            strip_loop_state(Path(task.folder) / CHECKPOINT)
        if task.number is not None:
            self._sweep(task.number)

    def _sweep(self, ended: int) -> None:
        """Delete the checkpoints that are not kept any more, of those that there may be."""
        config = self._book.config
        ranking = rank_trials(self._book.own_trials(), config)
        kept = kept_numbers(ranking, config.study.keep_checkpoints)
        held = {trial.number for trial in ranking} if self._held is None else self._held | {ended}
        for number in held - kept:
            remove_checkpoints(self._folder.trial(number) / CHECKPOINT)
        self._held = held & kept


def export_best(config: StudyConfig, folder: StudyFolder, best: TrialResult) -> bool:
    """Export the best trial's model as a Hugging Face folder; False without a checkpoint."""
    checkpoint = find_checkpoint(folder.trial(best.number) / CHECKPOINT)
    if checkpoint is None:
        return False
    export_model(checkpoint, folder.best, facts=_facts(config, best))
    return True


def register_best(
    config: StudyConfig, folder: StudyFolder, best: TrialResult, uri: str, study_run: str
) -> str:
    """Register the exported model in MLflow, once; its URI.

    Raises:
        TrackingError: the store refused it or is away.
    """
    example = [("A man is playing a guitar.", "A man is making music.")]
    return register_model(
        uri,
        name=f"mlctl-{config.study.name}",
        folder=folder.best,
        run_id=study_run,
        tags={"mlctl.study": config.study.name, "mlctl.trial": str(best.number)},
        example=example,
    )


def _facts(config: StudyConfig, best: TrialResult) -> dict[str, str]:
    metrics = best.metrics or {}
    shown = {
        "validation accuracy, source": accuracy_key(
            "validation", config.task, config.data.nli.source
        ),
        "validation accuracy, mean zero-shot": mean_zero_shot_key("validation", config.task),
    }
    facts = {
        "study": config.study.name,
        "trial": str(best.number),
        "task": config.task,
        "source language": config.data.nli.source,
        "zero-shot languages": ", ".join(config.data.nli.targets),
        "selected by": config.study.selection,
    }
    facts |= {name: f"{100 * metrics[key]:.1f}%" for name, key in shown.items() if key in metrics}
    return facts | {name: str(value) for name, value in flatten(dict(best.parameters)).items()}
