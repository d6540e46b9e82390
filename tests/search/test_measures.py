"""Metric keys of objectives and limits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from simulated import simulated

from mlctl_ray.search.measures import measure_key, objectives, values_of, violations


@pytest.mark.parametrize(
    ("measure", "key"),
    [
        ("mean_zero_shot", "validation/embedded/mean_zero_shot"),
        ("source", "validation/embedded/en/accuracy"),
        ("retrieval", "validation/retrieval/mean"),
        ("device_hours", "cost/device_hours"),
        ("tr", "validation/embedded/tr/accuracy"),
    ],
)
def test_key_of_a_measure(measure: str, key: str, tmp_path: Path) -> None:
    assert measure_key(simulated(tmp_path), measure) == key


def test_selection_is_the_first_objective_and_costs_are_minimised(tmp_path: Path) -> None:
    changes = {
        "study.asha": None,
        "study.selection": "source",
        "study.also_optimise": ["device_hours", "retrieval"],
    }
    config = simulated(tmp_path, changes)
    assert [(o.name, o.direction) for o in objectives(config)] == [
        ("source", "maximize"),
        ("device_hours", "minimize"),
        ("retrieval", "maximize"),
    ]
    metrics = {o.key: float(index) for index, o in enumerate(objectives(config))}
    assert values_of(config, metrics) == (0.0, 1.0, 2.0)
    for key in metrics:
        for missing in (math.nan, math.inf, -math.inf):
            assert values_of(config, metrics | {key: missing}) is None
        assert values_of(config, {k: v for k, v in metrics.items() if k != key}) is None


def test_limits_are_kept_at_their_value_and_broken_beyond_or_without_a_measure(
    tmp_path: Path,
) -> None:
    bounds = {"de": {"at_least": 0.5, "at_most": 0.8}, "device_hours": {"at_most": 2.0}}
    config = simulated(tmp_path, {"study.constraints": bounds})
    de, cost = measure_key(config, "de"), measure_key(config, "device_hours")
    names = ["de at_least 0.5", "de at_most 0.8", "device_hours at_most 2"]
    for metrics, broken in (
        ({de: 0.5, cost: 2.0}, []),
        ({de: 0.8, cost: 0.0}, []),
        ({de: 0.49, cost: 2.0}, names[:1]),
        ({de: 0.81, cost: 2.1}, names[1:]),
        ({cost: 1.0}, names[:2]),
        ({de: math.nan, cost: math.nan}, names),
    ):
        found = violations(config, metrics)
        assert list(found) == names
        assert [name for name, excess in found.items() if excess > 0] == broken
    assert violations(simulated(tmp_path), {}) == {}
