"""A run that pauses on request equals the undisturbed one to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_runs import assert_same_outcome, config_of, outcome_of
from gloo_runs import over_gloo, paused_at_every_step

from mlctl_ray.errors import Failure
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training import requests
from mlctl_ray.training.checkpoint import find_checkpoint
from mlctl_ray.training.manifest import read_manifest
from mlctl_ray.training.reports import Report, read_reports
from mlctl_ray.training.requests import (
    Paused,
    PauseRequests,
    clear_request,
    request_file,
    request_pause,
)
from mlctl_ray.training.run import run_training


def test_a_run_paused_after_every_step_equals_the_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "SECONDS_BETWEEN_LOOKS", 0.0)
    config = config_of(tmp_path / "cache", optimisation__evaluate_every=4)
    run_training(config, tmp_path / "whole")
    folder = tmp_path / "run"
    folder.mkdir()
    request_pause(folder)
    steps = []
    delivered: list[Report] = []
    for _ in range(config.optimisation.steps):
        try:
            run_training(config, folder, report=delivered.append, resume=True)
        except Paused as pause:
            steps.append(pause.step)
            found = find_checkpoint(folder / "checkpoint")
            assert found is not None
            assert read_manifest(found).step == pause.step
            assert not isinstance(pause, Failure)
    assert steps == [1, 2, 3, 4, 5]
    assert tuple(delivered) == read_reports(folder)
    assert_same_outcome(outcome_of(folder), outcome_of(tmp_path / "whole"))


def test_a_request_during_the_evaluation_is_heard_before_the_next_step(tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache")
    seen: list[int] = []

    def report(value: Report) -> None:
        seen.append(value.step)
        request_pause(tmp_path / "run")

    with pytest.raises(Paused, match=r"^paused after step 2$"):
        run_training(config, tmp_path / "run", report=report)
    clear_request(tmp_path / "run")
    clear_request(tmp_path / "run")
    with pytest.raises(Paused, match=r"^paused after step 4$"):
        run_training(config, tmp_path / "run", report=report, resume=True)
    clear_request(tmp_path / "run")
    # After the last step there is nothing left to pause.
    run_training(config, tmp_path / "run", report=report, resume=True)
    assert seen == [2, 4, 6]
    assert request_file(tmp_path / "run").exists()


def test_a_checkpoint_changes_no_number(tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache", optimisation__evaluate_every=3)
    run_training(config, tmp_path / "few")
    more = config_of(
        tmp_path / "cache", optimisation__evaluate_every=3, optimisation__checkpoint_every=1
    )
    run_training(more, tmp_path / "many")
    assert_same_outcome(outcome_of(tmp_path / "few"), outcome_of(tmp_path / "many"))


def test_the_disk_is_looked_at_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(requests.time, "monotonic", lambda: now[0])
    pause = PauseRequests(tmp_path, Workers())
    assert not pause.pending()
    request_pause(tmp_path)
    now[0] += 0.9
    assert not pause.pending()
    assert PauseRequests(tmp_path, Workers()).pending()
    now[0] += 0.1
    assert pause.pending()
    clear_request(tmp_path)
    other = PauseRequests(tmp_path, Workers())
    assert not other.pending()
    request_pause(tmp_path)
    assert other.pending(look=True)


@pytest.mark.slow
def test_two_workers_pause_at_the_same_steps_and_end_as_undisturbed(tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache", optimisation__steps=4, optimisation__evaluate_every=3)
    first, second = over_gloo(paused_at_every_step, config, 2, tmp_path)
    assert first["paused"] == second["paused"] == [1, 2, 3]
    assert first["reports"] == second["reports"]
    assert [step for step, _ in first["reports"]] == [3, 4]
    assert_same_outcome(outcome_of(tmp_path / "paused"), outcome_of(tmp_path / "whole"))
    # Rank 0 alone could not write; both ranks say so, and neither waits.
    assert first["failure"] == second["failure"]
    assert "File exists" in first["failure"]
