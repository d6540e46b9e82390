"""The seam between Ray Tune and Optuna: the journal decides what exists, Tune executes.

Ray's own OptunaSearch tells COMPLETE for trials that the scheduler stopped, which misleads TPE;
here they are told PRUNED with their intermediate values.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from ..config import StudyConfig, apply_overrides, plain
from ..errors import InputError
from .protocol import OBJECTIVE, STEP, TrialTask, failure_of, is_final
from .sampling import suggest, trial_seed
from .storage import VARIANT, StudyFolder


class StudySearcher(Searcher):
    """Hands out the study's trials and tells their ends to Optuna.

    Trials that were running when an earlier driver was killed come first, under their own number,
    and go on from their checkpoint.

    Args:
        study: the journal's study.
        concurrency: trials at once.
        refused: is told of a trial whose values the configuration does not allow, and why.
    """

    def __init__(
        self,
        study: optuna.Study,
        config: StudyConfig,
        folder: StudyFolder,
        concurrency: int,
        refused: Callable[[TrialTask, str], None] = lambda task, reason: None,
    ) -> None:
        super().__init__(metric=OBJECTIVE, mode="max")
        self._study = study
        self._config = config
        self._folder = folder
        self._concurrency = concurrency
        self._left_running = [
            trial.number for trial in study.get_trials(states=(TrialState.RUNNING,))
        ]
        self._live: dict[str, _Live] = {}
        self._refused = refused
        hours = config.study.max_hours
        self._deadline = math.inf if hours is None else time.monotonic() + hours * 3600

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher for a restore that a study does not use."""
        return {}

    def remaining(self) -> int:
        """Trials that are still to be started in this process."""
        waiting = (TrialState.WAITING,)
        begun = len(self._study.get_trials(deepcopy=False)) - len(
            self._study.get_trials(deepcopy=False, states=waiting)
        )
        return max(0, self._config.study.trials - begun) + len(self._left_running)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial's task, None while all places are taken, FINISHED at the end."""
        if len(self._live) >= self._concurrency:
            return None
        while self.remaining() and time.monotonic() < self._deadline:
            trial, again = self._next()
            # A trial that is begun again keeps what it was given, and gets what it had not yet.
            values = suggest(trial, self._config.study.space)
            try:
                run = self._run(trial, values)
            except InputError as error:
                # A combination that the configuration refuses is a failed trial, not a study's end.
                self._study.tell(trial, state=TrialState.FAIL)
                self._refused(self._task(trial, self._unchecked(trial, values), again), str(error))
                continue
            self._live[trial_id] = _Live(trial)
            return self._task(trial, run, again).to_config()
        return str(Searcher.FINISHED)

    def _next(self) -> tuple[optuna.trial.Trial, bool]:
        if not self._left_running:
            return self._study.ask(), False
        number = self._left_running.pop(0)
        return optuna.trial.Trial(self._study, self._study.trials[number]._trial_id), True

    def _run(self, trial: optuna.trial.Trial, values: dict[str, Any]) -> dict[str, Any]:
        seed = trial_seed(self._config.study.seed, trial.number)
        run: dict[str, Any] = plain(self._config.run_config(values | {"seed": seed}))
        return run

    def _unchecked(self, trial: optuna.trial.Trial, values: dict[str, Any]) -> dict[str, Any]:
        seed = trial_seed(self._config.study.seed, trial.number)
        tree = self._config.run_tree()
        return apply_overrides(tree, values | {"seed": seed}, what="parameter")

    def _task(self, trial: optuna.trial.Trial, run: dict[str, Any], again: bool) -> TrialTask:
        return TrialTask(
            number=trial.number,
            name=f"trial-{trial.number:04d}",
            variant=trial.user_attrs.get(VARIANT),
            run=run,
            folder=str(self._folder.trial(trial.number)),
            splits=("validation",),
            resume=again,
        )

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Keep the objective of a rung."""
        live = self._live.get(trial_id)
        if live is not None:
            live.report(result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell COMPLETE, PRUNED (the scheduler stopped it) or FAIL."""
        live = self._live.pop(trial_id, None)
        if live is None:
            return
        if error or result is None or OBJECTIVE not in result or failure_of(result) is not None:
            self._study.tell(live.trial, state=TrialState.FAIL)
        elif is_final(result):
            self._study.tell(live.trial, values=result[OBJECTIVE])
        else:
            # Tune keeps the result at which it stops a trial from `on_trial_result`.
            live.report(result)
            self._study.tell(live.trial, state=TrialState.PRUNED)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""


class _Live:
    """A trial that runs, with the last step that was reported to Optuna."""

    def __init__(self, trial: optuna.trial.Trial) -> None:
        self.trial = trial
        reported = trial.study.trials[trial.number].intermediate_values
        self._last_step = max(reported, default=0)

    def report(self, result: dict[str, Any]) -> None:
        """Keep an intermediate value once."""
        if OBJECTIVE not in result or failure_of(result) is not None or is_final(result):
            return
        step = int(result[STEP])
        if step > self._last_step:
            self.trial.report(result[OBJECTIVE], step)
            self._last_step = step
