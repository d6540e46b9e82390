"""A trial's process: one-worker runs in the Tune actor itself, larger ones over Ray Train."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune

from ..config import RunConfig, ScalingConfig
from ..errors import InputError, TrialFailure
from ..training.ray_adapter import fit_workers, local_device
from ..training.run import Report, run_training
from .protocol import TrialTask, to_result

ERROR_FILE = "error.txt"


def run_task(config: Mapping[str, Any], objective_key: str) -> None:
    """Execute one task and report every pause to Tune.

    A failure that is the configuration's own is left as one line in ``error.txt`` too.
    """
    logging.getLogger("transformers").setLevel(logging.ERROR)
    task = TrialTask.of_config(config)
    run, folder = task.run_config, Path(task.folder)

    def report(value: Report) -> None:
        tune.report(to_result(value, objective_key))

    try:
        if run.scaling.workers == 1:
            run_training(
                run,
                folder,
                workers=local_device(run.scaling),
                splits=task.splits,
                report=report,
                resume=task.resume,
            )
        else:
            fit_workers(
                run,
                folder,
                splits=task.splits,
                resume=task.resume,
                name=task.name,
                to_metrics=lambda value: to_result(value, objective_key),
                in_tune=True,
            )
    except (InputError, TrialFailure) as error:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ERROR_FILE).write_text(str(error), encoding="utf-8")
        raise


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
