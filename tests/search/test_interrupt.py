"""Ctrl-C once and twice, as a terminal sends it: to every process of the group."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from optuna.trial import TrialState
from small_study import Place, alive, descendants, journal, kill_tree
from test_resume import LONG, UNCONFIRMED, read_until

from mlctl_ray.search.interrupt import StudyInterrupted, interruption
from mlctl_ray.tracking import RunState, StudyReader


def interrupted(place: Place, order: signal.Signals) -> tuple[int, str, list[int]]:
    """Start the study, interrupt its process group in trial 1: exit code, errors, processes."""
    process = place.start("tiny.yaml", *LONG, *UNCONFIRMED, start_new_session=True)
    try:
        read_until(process, "trial-0001 step 10/60")
        below = descendants(process.pid)
        # A terminal's signals reach every process of the group; SIGTERM is for the driver.
        send = os.kill if order is signal.SIGTERM else os.killpg
        send(process.pid, order)
        _, err = process.communicate(timeout=120)
    finally:
        kill_tree(process)
    return process.returncode, err, below


def test_interrupt_saves_a_checkpoint_and_says_how_to_go_on(place: Place) -> None:
    code, err, below = interrupted(place, signal.SIGINT)
    assert code == 130
    assert err.splitlines() == [
        "interrupted: study 'tiny' is saved; the same command with --resume goes on"
    ]
    assert alive(below) == []
    record = StudyReader(place.uri).read("tiny")
    assert record.study.state is RunState.INTERRUPTED
    assert [run.state for run in record.trials] == [RunState.FINISHED, RunState.INTERRUPTED]
    assert "--resume" in record.trials[1].tags["mlctl.error"]
    assert journal(place.root)[1].state is TrialState.RUNNING, "--resume finds it"

    done = place.search("tiny.yaml", *LONG, *UNCONFIRMED, "--resume")
    assert done.code == 0, done.err
    record = StudyReader(place.uri).read("tiny")
    assert record.study.state is RunState.FINISHED
    assert {run.state for run in record.trials} == {RunState.FINISHED}
    key = record.study.tags["mlctl.objective_key"]
    history = StudyReader(place.uri).history(record.trials[1].run_id, key)
    assert [step for step, _ in history] == [10, 20, 30, 40, 50, 60]
    assert "trial-0001 step 10/60" not in done.out, "it went on from its checkpoint"


@pytest.mark.slow
@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_to_end_are_the_same(place: Place, order: signal.Signals) -> None:
    code, err, below = interrupted(place, order)
    assert code == 130 and "--resume" in err
    assert alive(below) == []
    assert StudyReader(place.uri).read("tiny").study.state is RunState.INTERRUPTED


@pytest.mark.slow
def test_second_interrupt_ends_at_once(place: Place) -> None:
    process = place.start("tiny.yaml", *LONG, "--set", "optimisation.checkpoint_every=60")
    try:
        read_until(process, "trial-0000 started")
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        kill_tree(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert alive(below) == []


def test_first_request_is_kept_and_the_second_raises() -> None:
    heard: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    with interruption() as state:
        state.listen(lambda: heard.append("pause"))
        signal.raise_signal(signal.SIGTERM)
        assert state.asked and not state.twice and heard == ["pause"]
        with pytest.raises(StudyInterrupted):
            signal.raise_signal(signal.SIGINT)
        assert state.twice and heard == ["pause"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_processes_that_ask_share_nothing(place: Place) -> None:
    """A driver that is refused leaves the one at work alone."""
    longer = ("--set", "optimisation.steps=2000", "--set", "optimisation.evaluate_every=1000")
    process = place.start("tiny.yaml", *LONG, *longer, *UNCONFIRMED)
    try:
        read_until(process, "trial-0000 started")
        second = subprocess.run(
            [*process.args, "--resume"],  # type: ignore[misc]
            cwd=place.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert second.returncode == 2
        assert f"process {process.pid}" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        read_until(process, "trial-0000 step 1000/2000")
    finally:
        kill_tree(process)
