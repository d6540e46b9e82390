"""A driver that is killed or interrupted, and `--resume`."""

from __future__ import annotations

import subprocess

import pytest
from optuna.trial import TrialState
from small_study import Place, journal, kill_tree

from mlctl_ray.tracking import RunState, StudyReader

UNCONFIRMED = ("--set", "study.confirmation.replicates=0")
LONG = (
    *("--set", "optimisation.steps=60", "--set", "optimisation.evaluate_every=10"),
    *("--set", "study.trials=3", "--set", "study.asha=null"),
    *("--set", "study.space.model.freeze_layers={type: constant, value: 0}"),
    *("--set", "study.space.optimisation.learning_rate={type: constant, value: 0.001}"),
)


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Lines of the driver's output up to the first with `text`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if text in line:
            return lines
    raise AssertionError(f"no {text!r} in: " + "\n".join(lines))


def test_killed_search_goes_on_where_it_was(place: Place) -> None:
    process = place.start("tiny.yaml", *LONG, *UNCONFIRMED)
    try:
        read_until(process, "trial-0001 step 20/60")
    finally:
        kill_tree(process)
    before = StudyReader(place.uri).read("tiny")
    assert [trial.state for trial in journal(place.root)][:2] == [
        TrialState.COMPLETE,
        TrialState.RUNNING,
    ]
    done = place.search("tiny.yaml", *LONG, *UNCONFIRMED, "--resume")
    assert done.code == 0, done.err

    trials = journal(place.root)
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    after = StudyReader(place.uri).read("tiny")
    assert after.study.run_id == before.study.run_id
    assert after.study.state is RunState.FINISHED
    assert [run.number for run in after.trials] == [0, 1, 2]
    assert [run.run_id for run in after.trials][:2] == [run.run_id for run in before.trials][:2]
    assert after.trials[0].ended == before.trials[0].ended
    runs = (*after.trials, *after.replicates)
    assert {run.state for run in runs} == {RunState.FINISHED}
    assert "trial-0000 started" not in done.out
    assert "trial-0001 step 10/60" not in done.out, "it went on from its checkpoint"
    key = after.study.tags["mlctl.objective_key"]
    history = StudyReader(place.uri).history(after.trials[1].run_id, key)
    assert [step for step, _ in history] == [10, 20, 30, 40, 50, 60]
    assert "mlctl.error" not in after.trials[1].tags


@pytest.mark.slow
def test_killed_confirmation_goes_on_without_a_second_run(place: Place) -> None:
    no_runner_up = ("--set", "study.confirmation.runner_up=false")
    process = place.start("tiny.yaml", *LONG, *no_runner_up)
    try:
        read_until(process, "none-seed-")
    finally:
        kill_tree(process)
    before = StudyReader(place.uri).read("tiny")
    done = place.search("tiny.yaml", *LONG, *no_runner_up, "--resume")
    assert done.code == 0, done.err
    after = StudyReader(place.uri).read("tiny")
    assert "trial-" not in done.out.split("rank")[0]
    # The store follows the search, so a run that had just begun may not have been there.
    assert {run.run_id for run in before.replicates} <= {run.run_id for run in after.replicates}
    assert [run.variant for run in after.replicates] == ["best", "none"]
    assert [run.state for run in after.replicates] == [RunState.FINISHED] * 2
