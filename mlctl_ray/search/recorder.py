"""The driver's record of every run: MLflow, plain progress lines, true end states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from ..config import flatten
from ..tracking import RunState, Tracker
from .protocol import OBJECTIVE, STEP, TrialTask, failure_of, is_final, metrics_of

ARTIFACTS = ("config.yaml", "predictions", "pairs")
Say = Callable[[str], None]


class Recorder(Callback):
    """Writes every trial and replicate to the tracking store; the only writer of a study.

    Args:
        tracker: the store.
        study_run: run id of the study.
        environment: JSON text kept with every run.
        say: prints one line.
        known_runs: run ids of trials and replicates that an earlier driver began, by name.
    """

    def __init__(
        self,
        tracker: Tracker,
        study_run: str,
        environment: str,
        say: Say,
        known_runs: Mapping[str, str] | None = None,
    ) -> None:
        self._tracker = tracker
        self._study_run = study_run
        self._environment = environment
        self._say = say
        self._known_runs = dict(known_runs or {})
        self._runs: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that a study does not use."""
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Start the run, or go on with the one that it had."""
        if trial.trial_id in self._runs:
            return
        task = TrialTask.of_config(trial.config)
        self._runs[trial.trial_id] = self._begin(task)
        levels = task.run["objective"]["levels"]
        self._say(
            f"{task.name} started: levels {levels}"
            + (f" (variant {task.variant})" if task.variant else "")
        )

    def _begin(self, task: TrialTask) -> str:
        if task.name in self._known_runs:
            run = self._known_runs[task.name]
            self._tracker.resume(run)
            return run
        params = flatten(task.run)
        if task.number is None:
            return self._tracker.start_replicate(
                self._study_run,
                variant=str(task.variant),
                seed=int(task.run["seed"]),
                name=task.name,
                params=params,
            )
        tags = {"mlctl.variant": task.variant} if task.variant else {}
        return self._tracker.start_trial(
            self._study_run, number=task.number, name=task.name, params=params, tags=tags
        )

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Log one evaluation as one batch."""
        if STEP not in result or failure_of(result) is not None:
            return
        self._tracker.log_metrics(self._runs[trial.trial_id], metrics_of(result), int(result[STEP]))
        task = TrialTask.of_config(trial.config)
        steps = task.run["optimisation"]["steps"]
        self._say(
            f"{task.name} step {result[STEP]}/{steps}: objective {100 * result[OBJECTIVE]:.1f}%"
        )

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Keep the artifacts and end the run as finished, pruned or failed."""
        last = trial.last_result or {}
        reason = failure_of(last)
        if reason is not None:
            self._fail(trial, reason)
        elif is_final(last):
            self._end(trial, RunState.FINISHED)
        else:
            self._end(trial, RunState.PRUNED)
            self._say(f"{TrialTask.of_config(trial.config).name} stopped at a rung")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """End the run as failed: its process died, or has a defect."""
        lines = str(trial.get_error() or "").strip().splitlines()
        self._fail(trial, lines[-1] if lines else "ended without a reason; see the log of Ray")

    def refused(self, task: TrialTask, reason: str) -> None:
        """Record a trial whose combination of values the configuration does not allow."""
        run = self._begin(task)
        self._tracker.finish(run, RunState.FAILED, error=reason)
        self._say(f"{task.name} failed: {reason}")

    def _fail(self, trial: Trial, reason: str) -> None:
        self._end(trial, RunState.FAILED, reason)
        self._say(f"{TrialTask.of_config(trial.config).name} failed: {reason}")

    def _end(self, trial: Trial, state: RunState, error: str | None = None) -> None:
        run = self._runs.get(trial.trial_id)
        if run is None:
            return
        folder = Path(TrialTask.of_config(trial.config).folder)
        log_artifacts(self._tracker, run, folder)
        self._tracker.log_text(run, self._environment, "environment.json")
        self._tracker.finish(run, state, error=error)


def log_artifacts(tracker: Tracker, run: str, folder: Path) -> None:
    """Keep what a run left in its folder."""
    for name in ARTIFACTS:
        if (folder / name).exists():
            tracker.log_artifacts(run, folder / name, name if (folder / name).is_dir() else None)
