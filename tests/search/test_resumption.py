"""When a study may be begun, and when it may go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulated import Driver, search, simulated

from mlctl_ray.config import to_yaml
from mlctl_ray.errors import InputError
from mlctl_ray.search import attributes as names
from mlctl_ray.search.confirmation import ConfirmationPlan
from mlctl_ray.search.folder import StudyFolder
from mlctl_ray.search.resumption import check_folder


def begun(folder: Path) -> Driver:
    driver = search(simulated(folder, {"study.trials": 2}))
    driver.folder.config.write_text(to_yaml(driver.config), encoding="utf-8")
    return driver


def check(folder: Path, changes: dict[str, Any], **options: Any) -> None:
    config = simulated(folder, {"study.trials": 2} | changes)
    check_folder(config, StudyFolder.of(config), **options)


def refusal(folder: Path, changes: dict[str, Any], **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        check(folder, changes, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_study_that_exists_is_refused_with_both_ways_on(tmp_path: Path) -> None:
    begun(tmp_path)
    line = refusal(tmp_path, {}, resume=False)
    assert line.startswith("study.name: 'tiny' exists in ")
    assert "--resume" in line and "--set study.name=NEW" in line
    check(tmp_path, {"study.name": "other"}, resume=False)


def test_nothing_to_go_on_with(tmp_path: Path) -> None:
    line = refusal(tmp_path / "runs", {}, resume=True)
    assert line.startswith("--resume: no study 'tiny' in ")
    assert list(tmp_path.iterdir()) == []


def test_resume_and_warm_start_exclude_each_other(tmp_path: Path) -> None:
    assert "give one" in refusal(tmp_path, {}, resume=True, warm_start="old")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"study.trials": 20},
        {"study.max_hours": 2.0},
        {"study.max_device_hours": 9.0},
        {"study.max_cost": 9.0, "study.price_per_device_hour": 1.0, "study.currency": "EUR"},
        {"study.asha": None},
        {"study.asha": {"grace_evaluations": 2}},
        {"study.retries": {"errors": 4, "preemptions": 9}},
        {"study.concurrency": 2},
        {"study.terminator": {"min_trials": 5}},
        {"study.keep_checkpoints": 3},
        {"study.confirmation": {"replicates": 3, "variants": ["none"]}},
    ],
)
def test_what_changes_no_trial_may_change(changes: dict[str, Any], tmp_path: Path) -> None:
    begun(tmp_path)
    check(tmp_path, changes, resume=True)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"study.seed": 8}, "study.seed is 8, but the study was begun with 3"),
        ({"optimisation.steps": 10}, "optimisation.steps is 10"),
        ({"study.selection": "source"}, "study.selection is 'source'"),
        ({"study.startup_trials": 9}, "study.startup_trials is 9"),
        ({"study.constraints": {"de": {"at_least": 0.5}}}, "study.constraints"),
        ({"study.known": ["none"]}, "study.known is ['none']"),
        (
            {"study.space.model.freeze_layers": {"type": "constant", "value": 0}},
            "study.space.model.freeze_layers.choices",
        ),
    ],
)
def test_what_changes_trials_is_refused_with_the_other_way(
    changes: dict[str, Any], word: str, tmp_path: Path
) -> None:
    begun(tmp_path)
    line = refusal(tmp_path, changes, resume=True)
    assert line.startswith("--resume: ") and word in line
    assert "--set study.name=NEW --warm-start tiny" in line


def test_several_changes_are_counted(tmp_path: Path) -> None:
    begun(tmp_path)
    line = refusal(tmp_path, {"study.seed": 8, "seed": 4}, resume=True)
    assert "seed is 4" in line and "(and 1 more: study.seed)" in line


def test_no_trial_is_added_after_the_confirmation_was_begun(tmp_path: Path) -> None:
    driver = begun(tmp_path)
    plan = ConfirmationPlan(0, None, ("none",), (1,))
    driver.book.write_note(names.ENDED_BY, "trials")
    check(tmp_path, {"study.trials": 3}, resume=True)
    driver.book.write_note(names.CONFIRMATION, plan.to_note())
    check(tmp_path, {}, resume=True)
    line = refusal(tmp_path, {"study.trials": 3}, resume=True)
    assert line.startswith("study.trials: 3 is more than the 2 ")
    assert "--warm-start tiny" in line
    stage = {"replicates": 2, "variants": ["none"]}
    line = refusal(tmp_path, {"study.confirmation": stage}, resume=True)
    assert line.startswith("study.confirmation.replicates: 2 differs from 1")
