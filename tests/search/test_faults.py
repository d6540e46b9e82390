"""What follows from a fault, for every fault, history and budget."""

from __future__ import annotations

import itertools

import pytest

from mlctl_ray.config import RetriesConfig
from mlctl_ray.search.faults import Attempts, Ending, Fail, Fault, Halt, Retry, decide


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("budgets", list(itertools.product(range(3), repeat=2)))
@pytest.mark.parametrize("past", list(itertools.product(range(4), repeat=2)))
def test_every_fault_with_every_history_and_budget(
    fault: Fault, budgets: tuple[int, int], past: tuple[int, int]
) -> None:
    retries = RetriesConfig(errors=budgets[0], preemptions=budgets[1])
    attempts = Attempts(errors=past[0], losses=past[1])
    decision = decide(Ending({}, fault=fault, reason="why"), attempts, retries)
    if fault is Fault.STORAGE:
        assert decision == Halt("why")
    elif fault is Fault.ERROR and past[0] < budgets[0]:
        assert decision == Retry(Attempts(past[0] + 1, past[1]))
    elif fault is Fault.LOST and past[1] < budgets[1]:
        assert decision == Retry(Attempts(past[0], past[1] + 1))
    else:
        survived = sum(past)
        assert decision == Fail(f"why (after {survived} retries)" if survived else "why")


@pytest.mark.parametrize("order", sorted(set(itertools.permutations("eell"))))
def test_one_budget_is_not_used_up_by_the_other(order: tuple[str, ...]) -> None:
    retries, attempts = RetriesConfig(errors=2, preemptions=2), Attempts()
    for letter in order:
        fault = Fault.ERROR if letter == "e" else Fault.LOST
        decision = decide(Ending({}, fault=fault, reason="r"), attempts, retries)
        assert isinstance(decision, Retry)
        attempts = decision.attempts
    for fault in (Fault.ERROR, Fault.LOST):
        assert isinstance(decide(Ending({}, fault=fault), attempts, retries), Fail)


def test_fault_of_the_configuration_is_never_tried_again() -> None:
    generous = RetriesConfig(errors=9, preemptions=9)
    ending = Ending({}, fault=Fault.CONFIGURATION, reason="loss is nan")
    assert decide(ending, Attempts(), generous) == Fail("loss is nan")


def test_reason_is_never_empty() -> None:
    decision = decide(Ending({}, fault=Fault.CONFIGURATION), Attempts(), RetriesConfig())
    assert decision == Fail("ended without a reason")
