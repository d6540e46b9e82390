"""The model of seeds and examples against sums by hand, SciPy's tests, and simulated power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlctl_ray.report.crossed import Crossed, crossed


def drawn(
    rng: np.random.Generator, seeds: int, examples: int, parts: tuple[float, float, float],
    mean: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Normal table with standard deviations of seeds, examples and residual."""
    return (
        mean
        + parts[0] * rng.standard_normal((seeds, 1))
        + parts[1] * rng.standard_normal((1, examples))
        + parts[2] * rng.standard_normal((seeds, examples))
    )


def test_parts_equal_sums_of_squares_by_loops() -> None:
    table = drawn(np.random.default_rng(1), 4, 23, (0.3, 0.4, 0.5), 0.1)
    seeds, examples = table.shape
    grand = math.fsum(table.ravel()) / table.size
    by_seed = [math.fsum(table[s]) / examples for s in range(seeds)]
    by_example = [math.fsum(table[:, e]) / seeds for e in range(examples)]
    of_seeds = examples * math.fsum((m - grand) ** 2 for m in by_seed) / (seeds - 1)
    of_examples = seeds * math.fsum((m - grand) ** 2 for m in by_example) / (examples - 1)
    total = math.fsum((value - grand) ** 2 for value in table.ravel())
    # The residual by subtraction, which the code does not do.
    left = total - of_seeds * (seeds - 1) - of_examples * (examples - 1)
    residual = left / ((seeds - 1) * (examples - 1))
    model = crossed(table)
    assert model.mean == pytest.approx(grand, rel=1e-12)
    assert model.seed_part == pytest.approx(of_seeds / table.size, rel=1e-9)
    assert model.example_part == pytest.approx((of_examples - residual) / table.size, rel=1e-9)
    assert model.floor == pytest.approx(of_examples / table.size, rel=1e-9)
    variance = (of_seeds + of_examples - residual) / table.size
    assert model.standard_error == pytest.approx(math.sqrt(max(variance, model.floor)), rel=1e-9)


def test_variance_of_the_mean_is_unbiased() -> None:
    rng = np.random.default_rng(2)
    parts = (0.2, 0.7, 0.9)
    tables = [drawn(rng, 4, 30, parts) for _ in range(3000)]
    raw = [crossed(t).seed_part + crossed(t).example_part for t in tables]
    true = parts[0] ** 2 / 4 + parts[1] ** 2 / 30 + parts[2] ** 2 / 120
    assert np.mean(raw) == pytest.approx(true, abs=3 * np.std(raw) / math.sqrt(len(raw)))
    means = [float(t.mean()) for t in tables]
    assert np.var(means) == pytest.approx(true, rel=0.08)


def test_one_seed_is_the_t_test_over_examples() -> None:
    table = drawn(np.random.default_rng(3), 1, 40, (0, 0.5, 0.5), 0.2)
    model = crossed(table)
    known = stats.ttest_1samp(table[0], 0)
    assert not model.covers_seeds
    assert model.p_value() == pytest.approx(known.pvalue, rel=1e-6)
    assert model.interval() == pytest.approx(tuple(known.confidence_interval(0.95)))


def test_without_variance_of_examples_it_is_the_t_test_over_seeds() -> None:
    means = np.array([0.3, 0.1, 0.25, 0.2])
    model = crossed(np.repeat(means[:, None], 50, axis=1))
    known = stats.ttest_1samp(means, 0)
    assert model.p_value() == pytest.approx(known.pvalue, rel=1e-6)
    assert model.interval() == pytest.approx(tuple(known.confidence_interval(0.95)))


def test_power_is_the_noncentral_t_where_there_is_one() -> None:
    error = 0.03
    for seeds in (3, 5, 10):
        model = Crossed(0.0, seeds, 1000, error**2, 0.0, 0.0)
        critical = stats.t.ppf(0.975, seeds - 1)
        shifted = stats.nct(seeds - 1, 0.1 / error)
        expected = shifted.sf(critical) + shifted.cdf(-critical)
        assert model.power(0.1, 0.05) == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("seeds", [1, 3, 6])
def test_detectable_effect_is_found_four_times_out_of_five(seeds: int) -> None:
    parts, examples = (0.02 if seeds > 1 else 0.0, 0.3, 0.4), 200
    cells = seeds * examples
    floor = (seeds * parts[1] ** 2 + parts[2] ** 2) / cells
    true = Crossed(
        mean=0.0,
        seeds=seeds,
        examples=examples,
        seed_part=(examples * parts[0] ** 2 + parts[2] ** 2) / cells if seeds > 1 else 0.0,
        example_part=parts[1] ** 2 / examples if seeds > 1 else floor,
        floor=floor,
    )
    effect = true.detectable(0.05)
    assert effect is not None
    rng = np.random.default_rng(4)
    found = [crossed(drawn(rng, seeds, examples, parts, effect)).p_value() < 0.05
             for _ in range(1500)]  # fmt: skip
    assert np.mean(found) == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / 1500) + 0.01)


def test_an_effect_that_no_accuracy_can_reach_is_not_detectable() -> None:
    model = crossed(drawn(np.random.default_rng(5), 2, 100, (0.1, 0.3, 0.3)))
    assert model.detectable(0.05 / 14) is None


def test_resolution_is_the_least_standard_error() -> None:
    model = crossed(np.zeros((3, 50)), resolution=0.02)
    assert model.standard_error == pytest.approx(0.02)
    assert model.p_value() == 1.0
    assert crossed(np.ones((3, 50)), resolution=0.02).p_value() > 0
    with pytest.raises(ValueError, match="two or more"):
        crossed(np.ones((3, 1)))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(2, 40),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1)),
    st.floats(-2, 2),
    st.integers(0, 10_000),
)
def test_p_is_where_the_interval_touches_zero(
    seeds: int, examples: int, parts: tuple[float, float, float], mean: float, seed: int
) -> None:
    model = crossed(drawn(np.random.default_rng(seed), seeds, examples, parts, mean))
    p = model.p_value()
    assert 0 < p <= 1
    if 1e-12 < p < 1:
        assert model.half_width(p) == pytest.approx(abs(model.mean), rel=1e-6)
    low, high = model.interval()
    assert (p < 0.05) == (not low <= 0 <= high) or p == pytest.approx(0.05)
    assert model.standard_error >= math.sqrt(model.floor)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.floats(0.1, 50), st.integers(0, 1000))
def test_effects_scale_with_their_unit(seeds: int, unit: float, seed: int) -> None:
    table = drawn(np.random.default_rng(seed), seeds, 20, (0.1, 0.2, 0.3), 0.1)
    one, other = crossed(table), crossed(unit * table)
    assert other.interval() == pytest.approx(tuple(unit * end for end in one.interval()))
    assert other.p_value() == pytest.approx(one.p_value(), rel=1e-5)
