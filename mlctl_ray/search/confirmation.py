"""The confirmation stage: best configuration and named variants, trained again with new seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from ..config import VARIANTS, StudyConfig, plain
from .protocol import OBJECTIVE, TrialTask
from .results import ReplicateResult, TrialResult
from .sampling import replicate_seed
from .storage import StudyFolder
from .trainable import read_metrics

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
    return ReplicateResult(str(task.variant), int(task.run["seed"]), read_metrics(task))


class ListedTasks(Searcher):
    """Hands out a fixed list of tasks."""

    def __init__(self, tasks: Sequence[TrialTask], concurrency: int) -> None:
        super().__init__(metric=OBJECTIVE, mode="max")
        self._waiting = list(tasks)
        self._concurrency = concurrency
        self._live: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher for a restore that a study does not use."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next task, None while all places are taken, FINISHED at the end."""
        if not self._waiting:
            return str(Searcher.FINISHED)
        if len(self._live) >= self._concurrency:
            return None
        self._live.add(trial_id)
        return self._waiting.pop(0).to_config()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Free the place."""
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: finished replicates are known by their metrics."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: finished replicates are known by their metrics."""
