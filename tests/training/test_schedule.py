from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
from tiny_runs import run_config

from mlctl_ray.config import OptimisationConfig
from mlctl_ray.training.schedule import learning_rate, phase_of


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
def test_warm_up_reaches_the_peak_and_decay_falls_to_zero(decay: str) -> None:
    config = OptimisationConfig(
        steps=100,
        learning_rate=2.0,
        warmup_fraction=0.1,
        decay=decay,  # type: ignore[arg-type]
    )
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert max(rates) == pytest.approx(2.0)
    if decay == "constant":
        assert set(rates[10:]) == {2.0}
        return
    assert all(before > after for before, after in pairwise(rates[10:]))
    assert 0 < rates[-1] < 0.03
    assert rates[55] == pytest.approx(1.0)
    early = 2 * (1 + math.cos(math.pi / 4)) / 2 if decay == "cosine" else 1.5
    assert (rates[32] + rates[33]) / 2 == pytest.approx(early, rel=1e-2)


def test_no_warm_up_starts_at_the_peak() -> None:
    config = OptimisationConfig(steps=4, learning_rate=1.0, warmup_fraction=0.0)
    assert [learning_rate(config, step) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_warm_up_alone_never_decays() -> None:
    config = OptimisationConfig(steps=4, learning_rate=1.0, warmup_fraction=1.0)
    assert [learning_rate(config, step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


def phases(tmp_path: Path, schedule: str, levels: str = "multi+label") -> list[tuple[object, ...]]:
    config = run_config(
        tmp_path,
        objective__levels=levels,
        objective__span_corruption={"weight": 0.1},
        optimisation__schedule=schedule,
        optimisation__steps=4,
        optimisation__align_fraction=0.5,
    )
    found = (phase_of(config, step) for step in range(4))
    return [(p.task, p.parallel_levels, p.label, p.denoise) for p in found]


def test_phases_of_each_schedule(tmp_path: Path) -> None:
    align = (False, ("multi",), False, True)
    joint = (True, ("multi",), True, True)
    task = (True, (), True, False)
    assert phases(tmp_path, "joint") == [joint] * 4
    assert phases(tmp_path, "align_then_joint") == [align] * 2 + [joint] * 2
    assert phases(tmp_path, "align_then_finetune") == [align] * 2 + [task] * 2


def test_without_a_parallel_level_nothing_is_aligned_first(tmp_path: Path) -> None:
    joint = (True, (), True, True)
    for schedule in ("align_then_joint", "align_then_finetune"):
        assert phases(tmp_path, schedule, "label") == [joint] * 4
