"""The early end of a search, with Optuna's own bound."""

from __future__ import annotations

import math
import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlctl_ray.config import TerminatorConfig
from mlctl_ray.search.terminator import little_to_gain

UNIT = FloatDistribution(0.0, 1.0)


def trial(x: float, value: float | None) -> FrozenTrial:
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    return create_trial(state=state, value=value, params={"x": x}, distributions={"x": UNIT})


def flat(count: int, value: float = 0.8) -> list[FrozenTrial]:
    return [trial(i / count, value) for i in range(count)]


def test_flat_objective_on_few_examples_ends_the_search() -> None:
    reason = little_to_gain(TerminatorConfig(min_trials=8), flat(8), 20)
    assert reason is not None
    error = 100 * math.sqrt(0.8 * 0.2 / 20)
    assert reason.startswith("terminator: more trials could gain ")
    assert reason.endswith(f"measured to {error:.2f}")


def test_wide_error_or_factor_ends_it_and_a_narrow_one_does_not() -> None:
    bumpy = [trial(i / 10, 0.5 + 0.3 * math.sin(9 * i)) for i in range(10)]
    loose = TerminatorConfig(min_trials=10, standard_errors=1e4)
    tight = TerminatorConfig(min_trials=10, standard_errors=1e-4)
    assert little_to_gain(loose, bumpy, 100) is not None
    assert little_to_gain(tight, bumpy, 100) is None


@pytest.mark.parametrize("finished", [0, 1, 7])
def test_too_few_finished_trials_never_end_it(finished: int) -> None:
    trials = flat(finished) if finished else []
    failed = [trial(0.5, None)] * 20
    config = TerminatorConfig(min_trials=8, standard_errors=1e9)
    assert little_to_gain(config, [*trials, *failed], 1) is None


def test_trials_that_share_no_parameter_never_end_it() -> None:
    odd = create_trial(
        value=0.8, params={"y": 1}, distributions={"y": CategoricalDistribution((1, 2))}
    )
    config = TerminatorConfig(min_trials=4, standard_errors=1e9)
    assert little_to_gain(config, [*flat(4), odd], 1) is None


def test_same_trials_give_the_same_answer_without_a_warning() -> None:
    config = TerminatorConfig(min_trials=6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", optuna.exceptions.ExperimentalWarning)
        answers = {little_to_gain(config, flat(6), 30) for _ in range(3)}
    assert len(answers) == 1


def test_perfect_accuracy_has_an_error_above_zero() -> None:
    config = TerminatorConfig(min_trials=4, standard_errors=1e9)
    assert little_to_gain(config, flat(4, 1.0), 10) is not None
