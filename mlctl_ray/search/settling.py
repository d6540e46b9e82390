"""Bringing the tracking store in line with the journal after a driver was killed."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState

from ..tracking import RunRecord, RunState, StudyReader, Tracker
from .recorder import log_artifacts
from .storage import StudyFolder

ENDED = {
    TrialState.COMPLETE: RunState.FINISHED,
    TrialState.PRUNED: RunState.PRUNED,
    TrialState.FAIL: RunState.FAILED,
}
"""Optuna's terminal states and what they are in the tracking store."""

INTERRUPTED = "interrupted; go on by --resume"


def settle(
    tracker: Tracker, reader: StudyReader, study: optuna.Study, folder: StudyFolder
) -> tuple[RunRecord, ...]:
    """End runs of trials that Optuna was told of and the store was not; all children of the study.

    The journal is written first, so that a kill between the two leaves a run open, never a
    finished run with an open trial.
    """
    record = reader.read(tracker.experiment)
    states = {trial.number: ENDED.get(trial.state) for trial in study.get_trials(deepcopy=False)}
    for run in record.trials:
        state = states.get(run.number) if run.number is not None else None
        if state is not None and state is not run.state:
            _end(tracker, run, state, folder.trial(int(run.number or 0)))
    return (*record.trials, *record.replicates)


def _end(tracker: Tracker, run: RunRecord, state: RunState, folder: Path) -> None:
    log_artifacts(tracker, run.run_id, folder)
    error = "failed; the reason was lost with the driver" if state is RunState.FAILED else None
    tracker.finish(run.run_id, state, error=error)
