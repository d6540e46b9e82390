"""Trials of two workers: Ray Train inside Tune on a cluster of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from optuna.trial import TrialState
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from small_study import Place, journal

from mlctl_ray.config import StudyConfig, load_config
from mlctl_ray.search import study as study_module
from mlctl_ray.search.protocol import TrialTask
from mlctl_ray.search.results import rank_trials
from mlctl_ray.search.study import run_study
from mlctl_ray.tracking import RunState, StudyReader


@pytest.mark.slow
def test_two_worker_trials_end_stop_and_fail_without_leaving_anything(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trial 0 ends, trial 1 is stopped by the scheduler, trial 2 diverges."""
    monkeypatch.chdir(place.folder)
    config = load_config(
        StudyConfig,
        place.study,
        [
            "scaling.workers=2",
            "study.trials=3",
            "optimisation.steps=40",
            "study.confirmation.replicates=0",
            "study.space.model.freeze_layers={type: constant, value: 0}",
            "study.space.optimisation.learning_rate={type: categorical, choices: [0.001, 1.0e+38]}",
            "study.seed=3",
        ],
    )
    groups: list[Any] = []

    def ranked(*arguments: Any) -> Any:
        groups.extend(ray.util.placement_group_table().values())
        free = ray.available_resources()
        groups.append({"state": "free", "CPU": free["CPU"], "all": ray.cluster_resources()["CPU"]})
        return rank_trials(*arguments)

    def stops_trial_1(self: Any, controller: Any, trial: Any, result: Any) -> str:
        number = TrialTask.of_config(trial.config).number
        return TrialScheduler.STOP if number == 1 else TrialScheduler.CONTINUE

    monkeypatch.setattr(study_module, "rank_trials", ranked)
    monkeypatch.setattr(AsyncHyperBandScheduler, "on_trial_result", stops_trial_1)
    lines: list[str] = []
    result = run_study(config, tracking_uri=place.uri, say=lines.append)

    *table, free = groups
    assert {group["state"] for group in table} <= {"REMOVED"}
    assert free["CPU"] == free["all"]
    trials = journal(Path(result.folder))
    states = [trial.state for trial in trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], lines
    assert trials[0].value is not None and 0 <= trials[0].value <= 1
    assert 0 < len(trials[1].intermediate_values) < 19
    runs = StudyReader(place.uri).read("tiny").trials
    assert [run.state for run in runs] == [RunState.FINISHED, RunState.PRUNED, RunState.FAILED]
    assert "non-finite" in runs[2].tags["mlctl.error"]
