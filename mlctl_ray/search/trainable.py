"""A trial's process: one-worker runs in the Tune actor itself, larger ones over Ray Train."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.train import TrainingFailedError

from ..config import RunConfig, ScalingConfig
from ..errors import InputError, TrialFailure
from ..training.ray_adapter import fit_workers, local_device
from ..training.reports import Report
from ..training.run import run_training
from .protocol import TrialTask, to_failure, to_result
from .stopping import Stopped, stop_file
from .storage import METRICS_FILE


def run_task(config: Mapping[str, Any], objective_key: str) -> None:
    """Execute one task and report every pause to Tune.

    A failure that is the configuration's own is the last report, so that the process can be used
    again; a defect is raised.
    """
    task = TrialTask.of_config(config)

    def to_metrics(value: Report) -> dict[str, Any]:
        return to_result(value, objective_key)

    ended = _ended(task) if task.resume else None
    if ended is not None:
        tune.report(to_metrics(ended))
        return
    try:
        if task.run_config.scaling.workers == 1:
            _run_here(task, to_metrics)
        else:
            _run_workers(task, to_metrics)
    except (InputError, TrialFailure) as error:
        tune.report(to_failure(error))


def _ended(task: TrialTask) -> Report | None:
    """The last report of a run that came to its end before its driver could keep it."""
    metrics = read_metrics(task)
    if metrics is None:
        return None
    return Report(task.run_config.optimisation.steps, True, metrics)


def read_metrics(task: TrialTask) -> dict[str, float] | None:
    """The metrics that a finished run left in its folder."""
    file = Path(task.folder) / METRICS_FILE
    if not file.is_file():
        return None
    metrics: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return metrics


def _run_here(task: TrialTask, to_metrics: Callable[[Report], Mapping[str, Any]]) -> None:
    run = task.run_config
    run_training(
        run,
        Path(task.folder),
        workers=local_device(run.scaling),
        splits=task.splits,
        report=lambda value: tune.report(to_metrics(value)),
        resume=task.resume,
    )


def _run_workers(task: TrialTask, to_metrics: Callable[[Report], Mapping[str, Any]]) -> None:
    """Run over Ray Train; a trial that is to stop ends in its workers, so that `fit` returns."""
    run, folder = task.run_config, Path(task.folder)
    stop = stop_file(folder)
    stop.unlink(missing_ok=True)

    def checked(value: Report) -> Mapping[str, Any]:
        if stop.exists() and not value.final:
            raise Stopped(str(stop))
        return to_metrics(value)

    try:
        fit_workers(
            run,
            folder,
            splits=task.splits,
            resume=task.resume,
            name=task.name,
            to_metrics=checked,
            in_tune=True,
        )
    except TrainingFailedError as error:
        causes = list(getattr(error, "worker_failures", {}).values())
        if any(isinstance(_cause(cause), Stopped) for cause in causes):
            return
        for cause in map(_cause, causes):
            if isinstance(cause, InputError | TrialFailure):
                raise cause from None
        raise


def _cause(error: BaseException) -> BaseException:
    """What a worker raised, without Ray's wrapping."""
    return getattr(error, "cause", None) or error


def trial_resources(scaling: ScalingConfig) -> dict[str, float]:
    """What Tune reserves for a trial's process.

    With several workers this process only waits; Ray Train reserves the workers' own places.
    """
    if scaling.workers > 1:
        return {"node:__internal_head__": 0.001}
    return {"CPU": scaling.cpus_per_worker, "GPU": scaling.gpus_per_worker}


def objective_key(config: RunConfig, selection: str) -> str:
    """The validation metric that selects."""
    from ..evaluation import keys

    if selection == "retrieval":
        return keys.mean_key("validation", keys.RETRIEVAL)
    if selection == "source":
        return keys.accuracy_key("validation", config.task, config.data.nli.source)
    return keys.mean_zero_shot_key("validation", config.task)
