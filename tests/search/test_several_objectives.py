"""A study of two objectives and limits, from its command to its report."""

from __future__ import annotations

import json

import pytest
from small_study import Place, journal

from mlctl_ray.tracking import RunState, StudyReader

SETS = (
    "study.also_optimise=[source]",
    "study.asha=null",
    "study.constraints={de: {at_least: 0.2}, device_hours: {at_most: 1.0}}",
    "study.space.model.freeze_layers={type: constant, value: 0}",
    "study.space.optimisation.learning_rate={type: log_float, low: 0.001, high: 0.01}",
    "study.trials=5",
    "study.startup_trials=3",
    "study.keep_checkpoints=2",
)


@pytest.mark.slow
def test_pareto_set_is_the_same_in_optuna_mlflow_and_the_report(place: Place) -> None:
    done = place.search("tiny.yaml", *(part for s in SETS for part in ("--set", s)))
    assert done.code == 0, done.err
    trials = {trial.number: trial for trial in journal(place.root)}
    points = {n: t.values for n, t in trials.items() if all(x <= 0 for x in t.constraints.values())}
    assert points, "no trial keeps the limits"
    front = {
        n
        for n, (a, b) in points.items()
        if not any(c >= a and d >= b and (c, d) != (a, b) for c, d in points.values())
    }
    record = StudyReader(place.uri).read("tiny")
    tagged = {t.number for t in record.trials if t.tags.get("mlctl.pareto") == "true"}
    feasible = {t.number for t in record.trials if t.tags.get("mlctl.feasible") == "true"}
    assert tagged == front
    assert feasible == points.keys()
    assert {run.state for run in record.trials} == {RunState.FINISHED}
    best = int(record.study.tags["mlctl.best_trial"])
    assert best in front
    assert points[best][0] == max(value for value, _ in points.values())

    report = place.folder / "reports" / "tiny"
    data = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert {row["number"] for row in data["search"]["trials"] if row["pareto"]} == front
    assert "Pareto" in (report / "index.html").read_text(encoding="utf-8")
    kept = {int(path.parent.name) for path in place.root.glob("trials/*/checkpoint")}
    assert front <= kept and best in kept
