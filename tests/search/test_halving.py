"""Rungs, and the same verdicts as Ray's own asynchronous successive halving."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from simulated import simulated

from mlctl_ray.search.halving import Rungs, make_rungs


def rungs_of(folder: Path, steps: int, every: int, grace: int, reduction: int) -> Rungs:
    asha = {"grace_evaluations": grace, "reduction_factor": reduction}
    changes = {
        "optimisation.steps": steps,
        "optimisation.evaluate_every": every,
        "study.asha": asha,
    }
    found = make_rungs(simulated(folder, changes))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("steps", "every", "grace", "reduction", "expected"),
    [
        (1000, 250, 1, 3, (250, 750)),
        (1000, 250, 1, 2, (250, 500)),
        (8, 2, 1, 2, (2, 4)),
        (9, 2, 1, 2, (2, 4, 8)),
        (100, 7, 2, 3, (14, 42)),
        (100, 50, 2, 3, ()),
        (6, 9, 1, 3, ()),
    ],
)
def test_rungs_are_validations_before_the_end(
    steps: int, every: int, grace: int, reduction: int, expected: tuple[int, ...], tmp_path: Path
) -> None:
    rungs = rungs_of(tmp_path, steps, every, grace, reduction)
    assert rungs.steps == expected
    assert all(step % every == 0 and step < steps for step in rungs.steps)


def test_no_rungs_without_halving_or_without_validations(tmp_path: Path) -> None:
    assert make_rungs(simulated(tmp_path, {"study.asha": None})) is None
    assert make_rungs(simulated(tmp_path, {"optimisation.evaluate_every": None})) is None


def test_first_at_a_rung_goes_on_and_ties_go_on() -> None:
    rungs = Rungs((2,), 2)
    assert not rungs.stops(0.0, [])
    assert not rungs.stops(0.5, [0.5, 0.5])
    assert rungs.stops(0.49, [0.5])
    assert not rungs.stops(0.5, [0.4, 0.6])


class TheirRungs:
    """Ray's scheduler with trials that are only names."""

    def __init__(self, steps: int, first: int, reduction: int) -> None:
        self.scheduler: Any = AsyncHyperBandScheduler(
            time_attr="step",
            metric="value",
            mode="max",
            max_t=steps,
            grace_period=first,
            reduction_factor=reduction,
        )
        self.added: set[int] = set()

    def stops(self, number: int, step: int, value: float) -> bool:
        trial = SimpleNamespace(trial_id=str(number))
        if number not in self.added:
            self.scheduler.on_trial_add(None, trial)
            self.added.add(number)
        verdict = self.scheduler.on_trial_result(None, trial, {"step": step, "value": value})
        return bool(verdict == TrialScheduler.STOP)


VALUES = st.one_of(st.floats(0, 1, allow_subnormal=False), st.sampled_from([0.25, 0.5, 0.75]))
ORDERS = st.lists(st.tuples(st.integers(0, 11), VALUES), min_size=1, max_size=80)


@settings(max_examples=150, deadline=None)
@given(order=ORDERS, every=st.integers(1, 5), grace=st.integers(1, 3), reduction=st.integers(2, 5))
def test_verdicts_are_those_of_rays_scheduler(
    order: list[tuple[int, float]], every: int, grace: int, reduction: int
) -> None:
    steps = 30 * every
    mine = Rungs(tuple(_rungs(grace * every, reduction, steps)), reduction)
    theirs = TheirRungs(steps, grace * every, reduction)
    held: dict[int, dict[int, float]] = {step: {} for step in mine.steps}
    at = dict.fromkeys(range(12), 0)
    stopped: set[int] = set()
    for number, value in order:
        at[number] += every
        step = at[number]
        if number in stopped or step >= steps:
            continue
        verdict = False
        if step in held:
            verdict = mine.stops(value, list(held[step].values()))
            held[step][number] = value
        assert verdict == theirs.stops(number, step, value), (number, step, value)
        if verdict:
            stopped.add(number)


def _rungs(first: int, reduction: int, steps: int) -> list[int]:
    return [first * reduction**k for k in range(9) if first * reduction**k < steps]
