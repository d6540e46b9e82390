"""A trial of a study, run again to the same numbers: real training, no Ray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from simulated import Driver, desk_of, drive, simulated

from mlctl_ray.config import StudyConfig, to_yaml
from mlctl_ray.errors import InputError
from mlctl_ray.search.faults import Ending
from mlctl_ray.search.folder import StudyFolder
from mlctl_ray.search.measures import objectives
from mlctl_ray.search.protocol import TrialTask, metrics_of, to_result
from mlctl_ray.search.replay import replay_trial
from mlctl_ray.training.ray_adapter import local_device
from mlctl_ray.training.run import run_training

CHANGES: dict[str, Any] = {
    "study.trials": 3,
    "optimisation.steps": 4,
    "study.asha": None,
    "study.space.model.freeze_layers": {"type": "constant", "value": 0},
    "study.space.optimisation.learning_rate": {"type": "log_float", "low": 1e-4, "high": 1e-2},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tokenised: Path) -> StudyConfig:
    """A study of three trials that were trained for real."""
    folder = tmp_path_factory.mktemp("replay")
    config = simulated(folder, CHANGES | {"data.cache": str(tokenised)})
    driver = Driver(config)
    driver.folder.config.write_text(to_yaml(config), encoding="utf-8")
    stage = driver.stage()
    key = objectives(config)[0].key
    while isinstance(task := stage.next(0), TrialTask):
        results: list[dict[str, Any]] = []
        run_training(
            task.run_config,
            Path(task.folder),
            workers=local_device(task.run_config.scaling),
            report=lambda report, kept=results: kept.append(to_result(report, key)),
            token=task.token,
        )
        for result in results:
            stage.report(task, result)
        stage.ended(task, Ending(metrics_of(results[-1]), final=True))
    return config


def test_trial_is_replayed_to_the_same_numbers(trained: StudyConfig) -> None:
    said: list[str] = []
    journal = StudyFolder.of(trained).journal
    before = journal.read_bytes()
    replayed = replay_trial(trained, 2, say=said.append)
    assert replayed.same, replayed.line
    assert replayed.line == "trial 2: replayed to the same numbers, 4 steps"
    assert said == [
        "trial 2: proposed again",
        "trial 2 step 2: equal",
        "trial 2 step 4: equal",
    ]
    assert journal.read_bytes() == before, "the study is only read"


def test_number_that_differs_is_named(trained: StudyConfig) -> None:
    file = StudyFolder.of(trained).trial(1) / "reports.jsonl"
    text = file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    lines[-1]["metrics"]["validation/embedded/de/accuracy"] = 0.123
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    try:
        replayed = replay_trial(trained, 1)
    finally:
        file.write_text(text, encoding="utf-8")
    assert not replayed.same
    assert "validation/embedded/de/accuracy at step 4" in replayed.line
    assert "values proposed again: True" in replayed.line


def test_trial_that_is_not_there_or_was_never_evaluated_is_refused(
    trained: StudyConfig, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^--replay: no trial 7 in study 'tiny'; it has 0, 1, 2$"):
        replay_trial(trained, 7)
    config = simulated(tmp_path)
    with pytest.raises(InputError, match="no study 'tiny'"):
        replay_trial(config, 0)
    Driver(config).stage().next(0)
    with pytest.raises(InputError, match="trial 0 was never evaluated"):
        replay_trial(config, 0)


def test_several_workers_are_refused(tmp_path: Path) -> None:
    config = simulated(tmp_path, {"scaling.workers": 2, "study.trials": 1})
    driver = Driver(config)
    drive(config, desk_of(driver.stage()))
    with pytest.raises(InputError, match=r"scaling\.workers is 2; allowed: 1"):
        replay_trial(config, 0)
