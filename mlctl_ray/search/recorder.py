"""The driver's record of every run: MLflow, plain progress lines, true end states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from ..config import flatten
from ..tracking import RunState, Tracker
from .protocol import OBJECTIVE, STEP, TrialTask, is_final, metrics_of
from .trainable import ERROR_FILE

ARTIFACTS = ("config.yaml", "predictions", "pairs")
Say = Callable[[str], None]


class Recorder(Callback):
    """Writes every trial and replicate to the tracking store; the only writer of a study.

    Args:
        tracker: the store.
        study_run: run id of the study.
        environment: JSON text kept with every run.
        say: prints one line.
        known_runs: run ids of trials that an earlier driver left running, by number.
    """

    def __init__(
        self,
        tracker: Tracker,
        study_run: str,
        environment: str,
        say: Say,
        known_runs: Mapping[int, str] | None = None,
    ) -> None:
        self._tracker = tracker
        self._study_run = study_run
        self._environment = environment
        self._say = say
        self._known_runs = dict(known_runs or {})
        self._runs: dict[str, str] = {}
        self.failures: list[str] = []

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
        params = flatten(task.run)
        if task.number is None:
            return self._tracker.start_replicate(
                self._study_run,
                variant=str(task.variant),
                seed=int(task.run["seed"]),
                name=task.name,
                params=params,
            )
        if task.number in self._known_runs:
            run = self._known_runs[task.number]
            self._tracker.resume(run)
            return run
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
        if STEP not in result:
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
        """Keep the artifacts and end the run as finished or pruned."""
        state = RunState.FINISHED if is_final(trial.last_result or {}) else RunState.PRUNED
        self._end(trial, state)
        if state is RunState.PRUNED:
            self._say(f"{TrialTask.of_config(trial.config).name} stopped at a rung")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """End the run as failed, with the reason in one line."""
        task = TrialTask.of_config(trial.config)
        reason = _reason(Path(task.folder), trial)
        self.failures.append(f"{task.name}: {reason}")
        self._end(trial, RunState.FAILED, reason)
        self._say(f"{task.name} failed: {reason}")

    def _end(self, trial: Trial, state: RunState, error: str | None = None) -> None:
        run = self._runs.get(trial.trial_id)
        if run is None:
            return
        folder = Path(TrialTask.of_config(trial.config).folder)
        for name in ARTIFACTS:
            if (folder / name).exists():
                inside = name if (folder / name).is_dir() else None
                self._tracker.log_artifacts(run, folder / name, inside)
        self._tracker.log_text(run, self._environment, "environment.json")
        self._tracker.finish(run, state, error=error)


def _reason(folder: Path, trial: Trial) -> str:
    file = folder / ERROR_FILE
    if file.is_file():
        return file.read_text(encoding="utf-8").strip().splitlines()[0]
    error = trial.get_error()
    lines = str(error).strip().splitlines() if error else []
    return lines[-1] if lines else "ended without a reason; see the log of Ray"
