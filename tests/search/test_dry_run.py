"""`--dry-run`: the plan and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray
from small_study import Place
from typer.testing import CliRunner

from mlctl_ray.config import StudyConfig, load_config, parse_yaml, validate
from mlctl_ray.search_command import app


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_plan_is_printed_and_nothing_is_started(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("COLUMNS", "120")
    limits = ("study.price_per_device_hour=2", "study.max_cost=30", "study.max_hours=0.5")
    text = run("tiny.yaml", *(part for limit in limits for part in ("--set", limit)))
    assert "0.5 hours, 30 USD" in text
    assert "7, named variants first: none, cz-snt" in text
    assert "trials at once" in text and "device-hours" in text and "USD" in text
    assert "low: 0.0, high: 6.0" in text
    assert not ray.is_initialized()
    assert [path.name for path in place.folder.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize("assignments", [(), ("objective.word.offset=.inf", "study.seed=9")])
def test_printed_configuration_reloads_to_the_same_object(
    place: Place, assignments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    options = [part for assignment in assignments for part in ("--set", assignment)]
    text = run("tiny.yaml", *options)
    end = next(i for i, line in enumerate(text.splitlines()) if "search space" in line)
    printed = "\n".join(text.splitlines()[:end])
    again = validate(StudyConfig, parse_yaml(printed, "printed"), "printed")
    assert again == load_config(StudyConfig, place.study, assignments)


def test_demo_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "study demo" in run()
