"""Early stopping: successive halving, and how a trial over several workers is stopped.

Tune stops a trial by ending its process. Under Ray Train that leaves the workers' placement group
behind, so there the scheduler leaves a file, the workers end at their next pause, and `fit`
returns and frees what it holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from ..config import StudyConfig
from .protocol import OBJECTIVE, STEP, TrialTask


class Stopped(Exception):
    """Raised in a trial's workers when the scheduler has stopped the trial."""


def stop_file(folder: Path) -> Path:
    """The file that tells a trial's workers to end."""
    return folder / "stop"


class CooperativeHalving(AsyncHyperBandScheduler):
    """Successive halving that asks a trial to end itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asked: set[str] = set()

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Let the trial go on to its next pause in any case."""
        if trial.trial_id in self._asked:
            return str(TrialScheduler.CONTINUE)
        decision = super().on_trial_result(tune_controller, trial, result)
        if decision == TrialScheduler.STOP and result[STEP] < self._max_t:
            self._asked.add(trial.trial_id)
            stop_file(Path(TrialTask.of_config(trial.config).folder)).touch()
        return str(TrialScheduler.CONTINUE)


def make_asha(config: StudyConfig) -> AsyncHyperBandScheduler | None:
    """The scheduler of a study; None if every trial runs to its end."""
    asha, every = config.study.asha, config.optimisation.evaluate_every
    if asha is None or every is None:
        return None
    kind = CooperativeHalving if config.scaling.workers > 1 else AsyncHyperBandScheduler
    return kind(
        time_attr=STEP,
        metric=OBJECTIVE,
        mode="max",
        max_t=config.optimisation.steps,
        grace_period=min(asha.grace_evaluations * every, config.optimisation.steps),
        reduction_factor=asha.reduction_factor,
    )
