"""The confirmation stage: best configuration and named variants, trained again with new seeds."""

from __future__ import annotations

import json
from pathlib import Path

from ..config import VARIANTS, StudyConfig, plain
from .protocol import TrialTask
from .results import ReplicateResult, TrialResult
from .sampling import replicate_seed
from .storage import StudyFolder

BEST = "best"


def confirmation_tasks(
    config: StudyConfig, best: TrialResult, folder: StudyFolder
) -> tuple[TrialTask, ...]:
    """The runs of the stage; variants of one replicate share the seed, so that they are paired.

    A named variant keeps the best trial's other settings, so that only the objective differs.
    """
    settings = {BEST: dict(best.parameters)}
    for variant in config.study.confirmation.variants:
        settings[variant] = {**best.parameters, **VARIANTS[variant]}
    tasks = []
    for replicate in range(config.study.confirmation.replicates):
        seed = replicate_seed(config.study.seed, replicate)
        for variant, values in settings.items():
            run = config.run_config({**values, "seed": seed})
            tasks.append(
                TrialTask(
                    number=None,
                    name=f"{variant}-seed-{seed}",
                    variant=variant,
                    run=plain(run),
                    folder=str(folder.replicate(variant, seed)),
                    splits=("validation", "test"),
                    resume=True,
                )
            )
    return tuple(tasks)


def read_replicate(task: TrialTask) -> ReplicateResult:
    """The metrics that a confirmation run left in its folder."""
    file = Path(task.folder) / "metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return ReplicateResult(str(task.variant), int(task.run["seed"]), metrics)
