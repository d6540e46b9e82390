"""The seam between Ray Tune and Optuna: the journal decides what exists, Tune executes.

Ray's own OptunaSearch tells COMPLETE for trials that the scheduler stopped, which misleads TPE;
here they are told PRUNED with their intermediate values.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from ..config import StudyConfig, plain
from ..errors import InputError
from .protocol import OBJECTIVE, STEP, TrialTask, is_final
from .sampling import decode, suggest, trial_seed
from .storage import VARIANT, StudyFolder


class StudySearcher(Searcher):
    """Hands out the study's trials and tells their ends to Optuna.

    Trials that were running when an earlier driver was killed come first, under their own number,
    and go on from their checkpoint.
    """

    def __init__(
        self, study: optuna.Study, config: StudyConfig, folder: StudyFolder, concurrency: int
    ) -> None:
        super().__init__(metric=OBJECTIVE, mode="max")
        self._study = study
        self._config = config
        self._folder = folder
        self._concurrency = concurrency
        self._left_running = [
            trial.number for trial in study.get_trials(states=(TrialState.RUNNING,))
        ]
        self._live: dict[str, optuna.trial.Trial] = {}

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
        if not self.remaining():
            return str(Searcher.FINISHED)
        if self._left_running:
            number = self._left_running.pop(0)
            frozen = self._study.trials[number]
            trial = optuna.trial.Trial(self._study, frozen._trial_id)
            values = decode(frozen.params, self._config.study.space)
            resume = True
        else:
            trial = self._study.ask()
            values = suggest(trial, self._config.study.space)
            resume = False
        try:
            return self._task(trial, values, resume, trial_id)
        except InputError as error:
            # A combination that the configuration refuses is a failed trial, not a failed study.
            trial.set_user_attr("error", str(error))
            self._study.tell(trial, state=TrialState.FAIL)
            return self.suggest(trial_id)

    def _task(
        self, trial: optuna.trial.Trial, values: dict[str, Any], resume: bool, trial_id: str
    ) -> dict[str, Any]:
        seed = trial_seed(self._config.study.seed, trial.number)
        run = self._config.run_config(values | {"seed": seed})
        self._live[trial_id] = trial
        return TrialTask(
            number=trial.number,
            name=f"trial-{trial.number:04d}",
            variant=trial.user_attrs.get(VARIANT),
            run=plain(run),
            folder=str(self._folder.trial(trial.number)),
            splits=("validation",),
            resume=resume,
        ).to_config()

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Keep the objective of a rung."""
        trial = self._live.get(trial_id)
        if trial is not None and OBJECTIVE in result and not is_final(result):
            trial.report(result[OBJECTIVE], result[STEP])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell COMPLETE, PRUNED (the scheduler stopped it) or FAIL."""
        trial = self._live.pop(trial_id, None)
        if trial is None:
            return
        if error or result is None or OBJECTIVE not in result:
            self._study.tell(trial, state=TrialState.FAIL)
        elif is_final(result):
            self._study.tell(trial, values=result[OBJECTIVE])
        else:
            self._study.tell(trial, state=TrialState.PRUNED)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""
