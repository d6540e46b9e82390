"""A run's process: one-worker runs in the Tune actor itself, larger ones over Ray Train."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.train import TrainingFailedError

from ..config import ScalingConfig
from ..errors import InputError, StorageFailure, TrialFailure
from ..training.fence import Superseded
from ..training.ray_adapter import fit_workers, local_device, worker_causes
from ..training.reports import Report
from ..training.requests import Paused
from ..training.run import run_training
from .faults import Fault
from .protocol import TrialTask, to_fault, to_pause, to_result
from .run_files import final_metrics

ERROR_LOG = "error.log"
"""Traceback of a run's last error, in its folder."""

OWN = (InputError, StorageFailure, TrialFailure, Paused, Superseded)
"""What a run raises of this package's own; more than one worker may."""


def run_task(config: Mapping[str, Any], objective_key: str) -> None:
    """Execute one task, report every evaluation to Tune, and how it ended as the last result.

    After a fault of its own the process can be used again. After an error, which may have left
    it in a bad state, it ends.
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
    except Superseded:
        return
    except Paused as pause:
        tune.report(to_pause(pause.step))
    except StorageFailure as error:
        tune.report(to_fault(Fault.STORAGE, str(error)))
    except (InputError, TrialFailure) as error:
        tune.report(to_fault(Fault.CONFIGURATION, str(error)))
    except WorkerLost as error:
        tune.report(to_fault(Fault.LOST, str(error)))
    except Exception as error:
        tune.report(to_fault(Fault.ERROR, f"{_line(error)}; see {_keep_traceback(task)}"))
        raise


class WorkerLost(Exception):
    """A worker of a run went away, or its machine."""


def _ended(task: TrialTask) -> Report | None:
    """The last report of a run that came to its end before its driver could keep it."""
    metrics = final_metrics(Path(task.folder))
    if metrics is None:
        return None
    return Report(task.run_config.optimisation.steps, True, metrics)


def _run_here(task: TrialTask, to_metrics: Callable[[Report], Mapping[str, Any]]) -> None:
    run = task.run_config
    run_training(
        run,
        Path(task.folder),
        workers=local_device(run.scaling),
        splits=task.splits,
        report=lambda value: tune.report(to_metrics(value)),
        resume=task.resume,
        token=task.token,
    )


def _run_workers(task: TrialTask, to_metrics: Callable[[Report], Mapping[str, Any]]) -> None:
    """Run over Ray Train; what its workers raised is raised here."""
    try:
        fit_workers(
            task.run_config,
            Path(task.folder),
            splits=task.splits,
            resume=task.resume,
            # A name of Ray Train's is a key to resume by; checkpoints here are the run's own.
            name=f"{task.name}-{task.token[:8]}",
            token=task.token,
            to_metrics=to_metrics,
            in_tune=True,
        )
    except TrainingFailedError as error:
        causes = worker_causes(error)
        for cause in causes:
            if isinstance(cause, OWN):
                raise cause from None
        if any(is_loss(cause) for cause in causes):
            raise WorkerLost(_line(causes[0])) from None
        raise


_LOSSES = {
    "RayActorError",
    "NodeDiedError",
    "PreemptionError",
    "WorkerCrashedError",
    "WorkerHealthCheckFailedError",
    "WorkerHealthCheckTimeoutError",
    "WorkerGroupStartupTimeoutError",
}
_BROKEN_PEER = ("Connection closed by peer", "Connection reset by peer", "remote process exited")


def is_loss(error: BaseException) -> bool:
    """Whether a worker was lost: by Ray's own account, or by what its peers saw of it."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & _LOSSES) or any(words in str(error) for words in _BROKEN_PEER)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip()}" if lines else type(error).__name__


def _keep_traceback(task: TrialTask) -> Path:
    path = Path(task.folder) / ERROR_LOG
    try:
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return path.parent
    return path


def trial_resources(scaling: ScalingConfig) -> dict[str, float]:
    """What Tune reserves for a run's process.

    With several workers this process only waits; Ray Train reserves the workers' own places.
    """
    if scaling.workers > 1:
        return {"node:__internal_head__": 0.001}
    return {"CPU": scaling.cpus_per_worker, "GPU": scaling.gpus_per_worker}
