"""One run from configuration to metrics and artifacts; the same code under Ray and without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch

from ..config import DataConfig, RunConfig, TextFormat
from ..evaluation import keys
from ..evaluation.data import EvaluationData, Split, load_evaluation_data
from ..evaluation.evaluate import Evaluation, evaluate_model
from ..evaluation.workers import Workers
from .data import TrainingData, load_training_data
from .fence import Fence
from .memory import within_memory
from .record import CHECKPOINT, RunRecord
from .reports import Report
from .requests import Paused, PauseRequests
from .trainer import Progress, Trainer

__all__ = ["CHECKPOINT", "RunResult", "evaluation_data", "run_training", "training_data"]

_SIZE = "the size of the model (model.name or model.scratch)"


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: its last metrics and the folder of its artifacts."""

    metrics: Mapping[str, float]
    folder: Path


def run_training(
    config: RunConfig,
    folder: Path,
    *,
    workers: Workers = Workers(),  # noqa: B008 - frozen
    splits: Sequence[Split] = ("validation",),
    report: Callable[[Report], None] = lambda report: None,
    resume: bool = False,
    token: str | None = None,
) -> RunResult:
    """Train, evaluate at every pause on validation, and at the end on `splits`.

    Every worker calls it; rank 0 writes ``config.yaml``, ``reports.jsonl``, ``predictions/``,
    ``pairs/``, ``metrics.json`` and ``checkpoint/`` under `folder`, which all workers share.

    Args:
        report: called by every worker at every pause with the same values, after they and the
            checkpoint are on the disk. Of a step that was run twice they are the first run's.
        resume: go on from the folder's checkpoint if there is one. Without it what an earlier run
            left in the folder is removed.
        token: of the claim of the folder (`fence.claim`); None if there is no driver.

    Raises:
        InputError: a source cannot be read or does not fit the configuration.
        TrialFailure: a loss or gradient is not finite, or memory ran out.
        StorageFailure: the folder is full, or cannot be read or written.
        Paused: `requests.request_pause` asked for it; the checkpoint is saved.
        Superseded: another attempt has claimed the folder; it was not written since.
    """
    torch.set_num_threads(config.scaling.cpus_per_worker)
    began = time.perf_counter()
    record = RunRecord(folder, workers, Fence(folder, token))
    trainer = _make_trainer(config, workers)
    checkpoint = record.find_checkpoint() if resume else None
    if checkpoint is not None:
        _resume(trainer, checkpoint)
    record.begin(config, checkpoint, resume=resume)
    requests = PauseRequests(folder, workers)
    on_disk = trainer.step

    def device_hours() -> float:
        return record.device_hours + (time.perf_counter() - began) / 3600 * workers.size

    evaluations, saves = _pauses(config)
    metrics: Mapping[str, float] = {}
    for progress in trainer.run(evaluations, saves, requests.pending):
        due = None
        if progress.due:
            measured = _measure(trainer, progress, splits if progress.final else (), record)
            measured[keys.DEVICE_HOURS] = device_hours()
            due = record.keep(Report(progress.step, progress.final, measured))
        if progress.step > on_disk:
            trainer.save(record.checkpoint, device_hours(), record.fence)
        if due is not None:
            metrics = due.metrics
            if due.final:
                record.end(due)
            report(due)
        if not progress.final and (progress.asked or requests.pending(look=True)):
            raise Paused(progress.step)
    return RunResult(metrics, folder)


def _make_trainer(config: RunConfig, workers: Workers) -> Trainer:
    data = training_data(config.data, config.model.text)
    data.check_batches(config)
    return within_memory(
        partial(Trainer, config, data, workers), where="while the model was built", cure=_SIZE
    )


def _resume(trainer: Trainer, checkpoint: Path) -> None:
    within_memory(
        partial(trainer.resume, checkpoint), where="while the checkpoint was read", cure=_SIZE
    )


def _pauses(config: RunConfig) -> tuple[frozenset[int], frozenset[int]]:
    steps = config.optimisation.steps
    every = config.optimisation.evaluate_every
    evaluations = frozenset(range(every, steps + 1, every)) if every else frozenset()
    save_every = config.optimisation.checkpoint_every
    saves = frozenset(range(save_every, steps + 1, save_every)) if save_every else frozenset()
    return evaluations, saves


def _measure(
    trainer: Trainer, progress: Progress, final_splits: Sequence[Split], record: RunRecord
) -> dict[str, float]:
    """Losses and validation; at the end `final_splits` in its place, whose tables are kept."""
    metrics = {keys.loss_key(name): value for name, value in progress.losses.items()}
    if progress.samples_per_second:
        metrics[keys.SAMPLES_PER_SECOND] = progress.samples_per_second
    for split in final_splits or ("validation",):
        evaluation = within_memory(
            partial(_evaluate, trainer, split, complete=progress.final),
            where=f"in the evaluation after step {progress.step}",
            cure="evaluation.token_budget",
        )
        metrics |= evaluation.metrics
        if progress.final:
            record.write(evaluation, progress.step)
    return metrics


def _evaluate(trainer: Trainer, split: Split, *, complete: bool) -> Evaluation:
    config = trainer.config
    return evaluate_model(
        trainer.model,
        evaluation_data(config, trainer.data, split),
        config.evaluation,
        workers=trainer.workers,
        precision=config.optimisation.precision,
        complete=complete,
    )


def evaluation_data(config: RunConfig, data: TrainingData, split: Split) -> EvaluationData:
    """The split's evaluation data, read once a process."""
    size = config.evaluation.pair_matrix_size
    return _evaluation_data(config.data, config.task, size, data, split)


@lru_cache(maxsize=2)
def training_data(data: DataConfig, text: TextFormat) -> TrainingData:
    """The training data, read once a process; trials in the same process share it."""
    return load_training_data(data, text)


@lru_cache(maxsize=4)
def _evaluation_data(
    data: DataConfig, task: str, pair_matrix_size: int, training: TrainingData, split: Split
) -> EvaluationData:
    return load_evaluation_data(
        data,
        training.tokenizer,
        training.prompt,
        split,
        task=task,
        pair_matrix_size=pair_matrix_size,
    )
