"""The one file of the training layer that knows Ray: several workers under Ray Train."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..config import RunConfig, ScalingConfig, plain, validate
from ..errors import Failure, InputError
from ..evaluation.data import Split
from ..evaluation.workers import Workers
from .reports import Report, read_reports
from .run import RunResult, run_training


def local_device(scaling: ScalingConfig) -> Workers:
    """The only worker of a run, on this process's GPU if it has one."""
    return Workers(device=torch.device("cuda" if scaling.gpus_per_worker else "cpu"))


def fit_workers(
    config: RunConfig,
    folder: Path,
    *,
    splits: Sequence[Split],
    resume: bool,
    name: str,
    to_metrics: Callable[[Report], Mapping[str, Any]],
    token: str | None = None,
    in_tune: bool = False,
) -> None:
    """Run one configuration over `scaling.workers` workers of Ray Train.

    The result equals that of the plain loop with one worker: the global batch is fixed, rows are
    gathered with gradients, and checkpoints are the plain loop's own.

    Args:
        folder: artifacts and checkpoint; every worker must reach it.
        name: unique name of the run in Ray Train's storage, under ``<folder>/ray``.
        to_metrics: what rank 0 reports to Ray, from a report.
        token: of this execution, for the fence around the folder.
        in_tune: whether this is called inside a Tune trial, which then gets the reports.
    """
    from ray.train import RunConfig as TrainRunConfig
    from ray.train import ScalingConfig as TrainScalingConfig
    from ray.train.torch import TorchTrainer

    callbacks = []
    if in_tune:
        from ray.tune.integration.ray_train import TuneReportCallback

        callbacks.append(TuneReportCallback())
    scaling = config.scaling
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "run": plain(config),
            "directory": str(Path.cwd()),
            "folder": str(folder),
            "splits": tuple(splits),
            "resume": resume,
            "token": token,
            "to_metrics": to_metrics,
        },
        scaling_config=TrainScalingConfig(
            num_workers=scaling.workers,
            use_gpu=scaling.gpus_per_worker > 0,
            resources_per_worker={
                "CPU": scaling.cpus_per_worker,
                **({"GPU": scaling.gpus_per_worker} if scaling.gpus_per_worker else {}),
            },
        ),
        run_config=TrainRunConfig(name=name, storage_path=str(folder / "ray"), callbacks=callbacks),
    )
    trainer.fit()


def _worker(loop: dict[str, Any]) -> None:
    from ray import train
    from ray.train.torch import get_device

    # Ray Train starts its workers in a folder of its own; relative paths are the driver's.
    os.chdir(loop["directory"])
    context = train.get_context()
    workers = Workers(context.get_world_rank(), context.get_world_size(), get_device())
    to_metrics = loop["to_metrics"]
    run_training(
        validate(RunConfig, loop["run"], "run"),
        Path(loop["folder"]),
        workers=workers,
        splits=loop["splits"],
        report=lambda value: train.report(dict(to_metrics(value))),
        resume=loop["resume"],
        token=loop["token"],
    )


def quiet_environment() -> dict[str, str]:
    """Environment of the workers: no progress bars, and Tune's own loggers off."""
    return {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": os.environ.get("TOKENIZERS_PARALLELISM", "false"),
        "RAY_AIR_NEW_OUTPUT": "0",
    }


def train_over_workers(
    config: RunConfig,
    folder: Path,
    *,
    splits: Sequence[Split],
    resume: bool,
    address: str | None,
    report: Callable[[Report], None],
) -> RunResult:
    """A single run over several workers, on a cluster or on this machine.

    The reports are handed on at the end, from the folder that rank 0 keeps them in.

    Raises:
        InputError: the workers do not fit on this machine, or wrong input was found by a worker.
        TrialFailure: a loss or gradient is not finite.
    """
    import ray
    from ray.train import TrainingFailedError

    target = address or os.environ.get("RAY_ADDRESS") or "local"
    ray.init(address=target, log_to_driver=False, runtime_env={"env_vars": quiet_environment()})
    try:
        if target == "local":
            _check_fit(config.scaling, ray.cluster_resources())
        fit_workers(
            config,
            folder,
            splits=splits,
            resume=resume,
            name="train",
            to_metrics=_metrics,
        )
    except TrainingFailedError as error:
        raise _own_failure(error) or error from None
    finally:
        ray.shutdown()
    reports = read_reports(folder)
    for value in reports:
        report(value)
    return RunResult(reports[-1].metrics, folder)


def _check_fit(scaling: ScalingConfig, have: Mapping[str, float]) -> None:
    """Refuse workers that would wait for ever; a cluster elsewhere may still grow."""
    each = {"CPU": scaling.cpus_per_worker, "GPU": scaling.gpus_per_worker}
    for kind, amount in each.items():
        if scaling.workers * amount > have.get(kind, 0):
            raise InputError(
                f"scaling.workers: {scaling.workers} with {amount} {kind} each do not fit on this "
                f"machine's {have.get(kind, 0):g} {kind}"
            )


def worker_causes(error: Exception) -> list[BaseException]:
    """What each worker raised, by rank, without Ray's wrapping; else the error itself."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    return [_unwrapped(failures[rank]) for rank in sorted(failures)]


def _unwrapped(error: BaseException) -> BaseException:
    for name in ("cause", "failure", "controller_failure", "_base_exc"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException):
            return _unwrapped(inner)
    return error


def _own_failure(error: Exception) -> InputError | Failure | None:
    """What a worker raised of this package's own."""
    own = (c for c in worker_causes(error) if isinstance(c, InputError | Failure))
    return next(own, None)


def _metrics(report: Report) -> Mapping[str, Any]:
    return report.metrics
