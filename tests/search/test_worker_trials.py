"""Trials of two workers: Ray Train inside Tune on a cluster of this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import ray
from optuna.trial import TrialState
from small_study import Place, journal, kill_tree, titled
from test_resume import read_until

from mlctl_ray.config import StudyConfig, load_config
from mlctl_ray.search import study as study_module
from mlctl_ray.search.halving import Rungs
from mlctl_ray.search.results import rank_trials
from mlctl_ray.search.study import run_study
from mlctl_ray.tracking import RunState, StudyReader

TWO_WORKERS = (
    "scaling.workers=2",
    "study.confirmation.replicates=0",
    "study.space.model.freeze_layers={type: constant, value: 0}",
)


@pytest.mark.slow
def test_two_worker_trials_end_stop_and_fail_without_leaving_anything(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trial 0 ends, trial 1 is stopped at its first rung, trial 2 diverges."""
    monkeypatch.chdir(place.folder)
    rates = "{type: categorical, choices: [0.001, 1.0e+38]}"
    config = load_config(
        StudyConfig,
        place.study,
        [
            *TWO_WORKERS,
            "study.trials=3",
            "study.seed=5",
            "optimisation.steps=40",
            f"study.space.optimisation.learning_rate={rates}",
        ],
    )
    groups: list[Any] = []

    def ranked(*arguments: Any) -> Any:
        groups.extend(ray.util.placement_group_table().values())
        free = ray.available_resources()
        groups.append({"state": "free", "CPU": free["CPU"], "all": ray.cluster_resources()["CPU"]})
        return rank_trials(*arguments)

    def second_stops(self: Rungs, value: float, others: Sequence[float]) -> bool:
        return len(others) == 1

    monkeypatch.setattr(study_module, "rank_trials", ranked)
    monkeypatch.setattr(Rungs, "stops", second_stops)
    result = run_study(config, tracking_uri=place.uri)

    *table, free = groups
    assert {group["state"] for group in table} <= {"REMOVED"}
    assert free["CPU"] == free["all"]
    trials = journal(Path(result.folder))
    states = [trial.state for trial in trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert trials[0].value is not None and 0 <= trials[0].value <= 1
    assert 0 < len(trials[1].intermediate_values) < 19
    runs = StudyReader(place.uri).read("tiny").trials
    assert [run.state for run in runs] == [RunState.FINISHED, RunState.PRUNED, RunState.FAILED]
    assert "non-finite" in runs[2].tags["mlctl.error"]


@pytest.mark.slow
def test_killed_worker_is_a_loss_and_its_trial_goes_on(place: Place) -> None:
    sets = [
        *TWO_WORKERS,
        "study.trials=1",
        "optimisation.steps=60",
        "optimisation.evaluate_every=20",
        "optimisation.checkpoint_every=5",
        "study.space.optimisation.learning_rate={type: constant, value: 0.001}",
        "study.retries={errors: 0, preemptions: 2}",
    ]
    process = place.start("tiny.yaml", *(part for s in sets for part in ("--set", s)))
    try:
        read_until(process, "trial-0000 step 20/60")
        os.kill(train_worker(process.pid), signal.SIGKILL)
        read_until(process, "trial-0000 goes on from its checkpoint")
        _, err = process.communicate(timeout=200)
    finally:
        kill_tree(process)
    assert process.returncode == 0, err
    assert err == ""
    (trial,) = journal(place.root)
    assert trial.state is TrialState.COMPLETE
    assert trial.user_attrs["mlctl_attempts"] == {"errors": 0, "losses": 1}
    record = StudyReader(place.uri).read("tiny")
    key = record.study.tags["mlctl.objective_key"]
    history = StudyReader(place.uri).history(record.trials[0].run_id, key)
    assert [step for step, _ in history] == [20, 40, 60]


def train_worker(driver: int) -> int:
    """The process of one worker of Ray Train below a driver."""
    for _ in range(100):
        found = titled(driver, "ray::RayTrainWorker")
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no worker of Ray Train is there")
