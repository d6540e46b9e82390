"""Studies of several objectives, constraints, budgets, interrupted runs and a runner-up."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic_study import StudyWriter, confirmed_study, level

from mlctl_ray.report import ReportFiles, build_report
from mlctl_ray.report.formats import amount, measure
from mlctl_ray.report.objectives import budget_of, constraints_of, objectives_of
from mlctl_ray.tracking import RunState

ACCURACY = "validation/xnli/mean_zero_shot"
TAGS = {
    "mlctl.objectives": json.dumps(
        [
            {"key": ACCURACY, "direction": "maximize", "name": "mean_zero_shot"},
            {"key": "cost/device_hours", "direction": "minimize", "name": "device_hours"},
        ]
    ),
    "mlctl.constraints": json.dumps(
        [{"name": "source", "key": "validation/xnli/en/accuracy", "at_least": 0.8}]
    ),
    "mlctl.budget": json.dumps(
        {
            "rows": [
                {"what": "trials", "plan": 5, "spent": 5, "limit": 5},
                {"what": "device-hours", "plan": 1.25, "spent": 1.375, "limit": None},
            ],
            "ended_by": "trials",
        }
    ),
}
Built = tuple[StudyWriter, ReportFiles]


@pytest.fixture(scope="module")
def several(new_store: Callable[[], Path]) -> Built:
    study = StudyWriter(new_store(), study_tags=TAGS)
    study.trial(0, level(0.5), variant="none", levels="none", hours=0.1,
                tags={"mlctl.pareto": "true"})  # fmt: skip
    study.trial(1, level(0.7), hours=0.5, tags={"mlctl.pareto": "true"})
    study.trial(2, level(0.6), hours=0.6)
    study.trial(3, level(0.9, source=0.3), hours=0.05, tags={"mlctl.feasible": "false"})
    study.trial(4, level(0.4), state=RunState.INTERRUPTED)
    study.trial(5, None, state=RunState.FAILED)
    for seed in range(2):
        study.replicate("none", seed, level(0.5))
        study.replicate("runner-up", seed, level(0.8))
        study.replicate("best", seed, level(0.7))
    study.finish(best_trial=1)
    return study, build_report(tracking_uri=study.uri, output=study.folder / "reports")


def content(files: ReportFiles) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files.json.read_text())
    return loaded


def section(files: ReportFiles, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', files.html.read_text(), re.DOTALL)
    assert found is not None
    return html.unescape(re.sub(r"<svg.*?</svg>|<[^>]*>", " ", found[0], flags=re.DOTALL))


def test_pareto_set_has_each_objective_in_its_own_unit(several: Built) -> None:
    _, files = several
    search = content(files)["search"]
    assert search["pareto"] == [1, 0]
    assert [o["name"] for o in search["objectives"]] == ["mean_zero_shot", "device_hours"]
    shown = section(files, "pareto").split()
    for text in ("70.0", "0.5", "50.0", "0.1", "maximize", "minimize"):
        assert text in " ".join(shown)
    assert "60.0" not in shown
    rows = list(csv.DictReader((files.folder / "tables" / "pareto.csv").open()))
    assert [row["trial"] for row in rows] == ["1", "0"]
    assert float(rows[0]["mean_zero_shot"]) == pytest.approx(0.7, abs=0.01)
    assert (files.folder / "figures" / "pareto.svg").exists()
    assert "](figures/pareto.svg)" in files.markdown.read_text()


def test_infeasible_and_interrupted_trials_are_marked_and_have_no_rank(several: Built) -> None:
    _, files = several
    trials = content(files)["search"]["trials"]
    assert [(t["rank"], t["number"], t["state"], t["feasible"]) for t in trials] == [
        (1, 1, "finished", True),
        (2, 2, "finished", True),
        (3, 0, "finished", True),
        (None, 3, "finished", False),
        (None, 4, "interrupted", True),
        (None, 5, "failed", True),
    ]
    shown = section(files, "trials")
    assert shown.count("infeasible") == 2
    assert "source at least 80.0" in shown
    assert "1 interrupted" in shown
    assert "go on by --resume" in " ".join(content(files)["missing"])
    assert "| finished (infeasible) |" in files.markdown.read_text()


def test_budget_is_shown_as_it_was_recorded(several: Built) -> None:
    _, files = several
    budget = content(files)["budget"]
    assert budget == json.loads(TAGS["mlctl.budget"])
    shown = " ".join(section(files, "budget").split())
    assert "ended by trials" in shown
    assert "device-hours 1.25 1.38 –" in shown
    assert "| trials | 5 | 5 | 5 |" in files.markdown.read_text()


def test_runner_up_stands_beside_best_and_is_never_selected(several: Built) -> None:
    _, files = several
    comparison = content(files)["comparison"]
    assert comparison["variants"] == ["none", "best", "runner-up"]
    assert comparison["selected"] == "best"
    assert content(files)["answer"]["effect"]["variant"] == "best"
    assert {e["variant"] for e in comparison["effects"]} == {"best", "runner-up"}
    assert "runner-up" in section(files, "languages")


@pytest.mark.parametrize(("others", "selected"), [((), "best"), (("none",), "none")])
def test_runner_up_alone_is_not_the_selected_one(
    store: Path, others: tuple[str, ...], selected: str
) -> None:
    study = StudyWriter(store)
    for variant in (*others, "runner-up"):
        study.replicate(variant, 0, level(0.6))
    study.finish()
    files = build_report(tracking_uri=study.uri, output=store / "reports")
    data = content(files)
    assert data["comparison"]["selected"] == selected
    assert data["answer"]["verdict"] == "undecided"


def test_an_interrupted_study_says_how_to_go_on(store: Path) -> None:
    study = StudyWriter(store)
    study.replicate("none", 0, level(0.5), state=RunState.INTERRUPTED)
    study.tracker.finish(study.run_id, RunState.INTERRUPTED)
    data = content(build_report(tracking_uri=study.uri, output=store / "reports"))
    assert data["state"] == "interrupted"
    missing = " ".join(data["missing"])
    assert "The study was interrupted: go on by --resume" in missing
    assert "'none-0' is interrupted" in missing


def test_a_study_without_the_tags_has_no_such_sections(store: Path) -> None:
    study = confirmed_study(store, effect=0.1, seeds=1, trials=False)
    files = build_report(tracking_uri=study.uri, output=store / "reports")
    data = content(files)
    assert data["budget"] is None
    assert data["search"]["objectives"] == data["search"]["pareto"] == []
    for text in (files.html.read_text(), files.markdown.read_text()):
        assert "Pareto" not in text
        assert "Budget" not in text


@pytest.mark.parametrize("text", ["", "[", "7", "[7]", "{}", '[{"name": "x"}]', '{"rows": 3}'])
def test_tags_that_are_not_ours_are_passed_over(text: str) -> None:
    assert objectives_of({"mlctl.objectives": text}) == ()
    assert constraints_of({"mlctl.constraints": text}) == ()
    assert budget_of({"mlctl.budget": text}) is None


def test_one_objective_is_not_several() -> None:
    one = json.dumps([{"key": ACCURACY, "direction": "maximize", "name": "x"}])
    assert objectives_of({"mlctl.objectives": one}) == ()


def test_numbers_are_written_by_their_kind() -> None:
    assert [amount(v) for v in (None, 5.0, 1.375, -0.5, 12000)] == ["–", "5", "1.38", "−0.50",
                                                                   "12,000"]  # fmt: skip
    assert measure(0.7, ACCURACY) == "70.0"
    assert measure(0.12345, "cost/device_hours") == "0.123"
    assert measure(None, ACCURACY) == "–"
