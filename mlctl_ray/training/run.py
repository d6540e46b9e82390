"""One run from configuration to metrics and artifacts; the same code under Ray and without it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from ..config import DataConfig, RunConfig, TextFormat, to_yaml
from ..evaluation import keys
from ..evaluation.data import EvaluationData, Split, load_evaluation_data
from ..evaluation.evaluate import Evaluation, evaluate_model
from ..evaluation.workers import Workers
from .checkpoint import find_checkpoint
from .data import TrainingData, load_training_data
from .reports import FILE, Report, append_report, read_reports
from .trainer import Progress, Trainer

CHECKPOINT = "checkpoint"
"""Name of the checkpoint in a run's folder."""


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
) -> RunResult:
    """Train, evaluate at every pause on validation, and at the end on `splits`.

    Every worker calls it; rank 0 writes ``config.yaml``, ``reports.jsonl``, ``predictions/``,
    ``pairs/``, ``metrics.json`` and ``checkpoint/`` under `folder`, which all workers share.

    Args:
        report: called by every worker at every pause with the same values.
        resume: go on from the folder's checkpoint if there is one.

    Raises:
        InputError: a source cannot be read or does not fit the configuration.
        TrialFailure: a loss or gradient is not finite.
    """
    torch.set_num_threads(config.scaling.cpus_per_worker)
    began = time.perf_counter()
    data = training_data(config.data, config.model.text)
    data.check_batches(config)
    trainer = Trainer(config, data, workers)
    checkpoint = find_checkpoint(folder / CHECKPOINT) if resume else None
    if checkpoint is not None:
        trainer.resume(checkpoint)
    hours_before = _hours_before(folder, trainer.step)
    evaluation_steps, pauses = _pauses(config)
    metrics: dict[str, float] = {}
    if workers.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        if checkpoint is None:
            (folder / FILE).unlink(missing_ok=True)
        (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    for progress in trainer.run(pauses):
        if progress.final or progress.step in evaluation_steps:
            measured = splits if progress.final else ("validation",)
            metrics = _measure(trainer, progress, measured, folder)
            hours = (time.perf_counter() - began) / 3600 * workers.size
            metrics[keys.DEVICE_HOURS] = hours_before + hours
        trainer.save(folder / CHECKPOINT)
        if progress.final or progress.step in evaluation_steps:
            value = Report(progress.step, progress.final, metrics)
            if workers.rank == 0:
                _keep(folder, value)
            report(value)
    return RunResult(metrics, folder)


def _hours_before(folder: Path, step: int) -> float:
    """Device-hours of the part of the run that a checkpoint saved."""
    hours = [r.metrics[keys.DEVICE_HOURS] for r in read_reports(folder) if 0 < r.step <= step]
    return hours[-1] if hours else 0.0


def _keep(folder: Path, report: Report) -> None:
    append_report(folder, report)
    if report.final:
        text = json.dumps(report.metrics, indent=1, sort_keys=True)
        (folder / "metrics.json").write_text(text, encoding="utf-8")


def _pauses(config: RunConfig) -> tuple[frozenset[int], frozenset[int]]:
    steps = config.optimisation.steps
    every = config.optimisation.evaluate_every
    evaluations = frozenset(range(every, steps + 1, every)) if every else frozenset()
    save_every = config.optimisation.checkpoint_every
    saves = frozenset(range(save_every, steps + 1, save_every)) if save_every else frozenset()
    return evaluations, evaluations | saves


def _measure(
    trainer: Trainer, progress: Progress, splits: Sequence[Split], folder: Path
) -> dict[str, float]:
    metrics = {keys.loss_key(name): value for name, value in progress.losses.items()}
    if progress.samples_per_second:
        metrics[keys.SAMPLES_PER_SECOND] = progress.samples_per_second
    for split in splits:
        evaluation = _evaluate(trainer, split, complete=progress.final)
        metrics |= evaluation.metrics
        if progress.final and trainer.workers.rank == 0:
            evaluation.write(folder)
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
