"""How many trials run at once, and what a study takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated import simulated

from mlctl_ray.config import ScalingConfig
from mlctl_ray.errors import InputError
from mlctl_ray.search.plan import Node, concurrency, make_plan


def scaling(workers: int, cpus: int = 1, gpus: int = 0) -> ScalingConfig:
    return ScalingConfig(workers=workers, cpus_per_worker=cpus, gpus_per_worker=gpus)


@pytest.mark.parametrize(
    ("nodes", "needs", "asked", "expected"),
    [
        ([Node(2, 0)], scaling(1), None, 2),
        ([Node(2, 0)], scaling(1), 1, 1),
        ([Node(2, 0)], scaling(1), 9, 2),
        ([Node(2, 0)], scaling(2), None, 1),
        ([Node(3, 0)], scaling(1, cpus=2), None, 1),
        # A worker is never split over machines: 3 + 3 cores hold two workers of two cores.
        ([Node(3, 0), Node(3, 0)], scaling(1, cpus=2), None, 2),
        ([Node(3, 0), Node(3, 0)], scaling(2, cpus=2), None, 1),
        ([Node(64, 4)], scaling(1, cpus=8, gpus=1), None, 4),
        ([Node(16, 4)], scaling(1, cpus=8, gpus=1), None, 2),
        ([Node(16, 4), Node(16, 0)], scaling(2, cpus=4, gpus=1), None, 2),
    ],
)
def test_concurrency(
    nodes: list[Node], needs: ScalingConfig, asked: int | None, expected: int
) -> None:
    assert concurrency(nodes, needs, asked) == expected


@pytest.mark.parametrize(
    ("nodes", "needs"),
    [
        ([Node(2, 0)], scaling(3)),
        ([Node(2, 0)], scaling(1, gpus=1)),
        ([Node(3, 0), Node(3, 0)], scaling(1, cpus=4)),
        ([], scaling(1)),
    ],
)
def test_trial_that_never_fits_is_refused_with_the_numbers(
    nodes: list[Node], needs: ScalingConfig
) -> None:
    with pytest.raises(InputError) as caught:
        concurrency(nodes, needs, None)
    text = str(caught.value)
    assert "\n" not in text
    assert f"{needs.workers} x ({needs.cpus_per_worker} CPU + {needs.gpus_per_worker} GPU)" in text
    assert all(f"{node.cpus:g} CPU" in text for node in nodes)


def test_plan_counts_confirmation_and_prices_device_hours(tmp_path: Path) -> None:
    changes = {"study.concurrency": None, "study.price_per_device_hour": 3.0}
    plan = make_plan(simulated(tmp_path, changes), (Node(4, 0),))
    assert (plan.trials, plan.replicates, plan.concurrency) == (9, 3, 4)
    assert plan.device_hours is not None and plan.hours == pytest.approx(plan.device_hours / 4)
    assert plan.cost == pytest.approx(3.0 * plan.device_hours)
    alone = make_plan(
        simulated(tmp_path, changes | {"study.confirmation": {"replicates": 0}}), (Node(4, 0),)
    )
    assert alone.replicates == 0
    assert alone.device_hours == pytest.approx(plan.device_hours * 9 / 12)
