"""McNemar's test against sums by hand in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.report.mcnemar import combined, exact_p, mcnemar, mid_p


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_values_equal_sums_of_binomial_coefficients(gained: int, lost: int) -> None:
    total, smaller = gained + lost, min(gained, lost)
    tail = Fraction(sum(comb(total, k) for k in range(smaller + 1)), 2**total)
    point = Fraction(comb(total, smaller), 2**total)
    assert exact_p(gained, lost) == pytest.approx(float(min(Fraction(1), 2 * tail)))
    assert mid_p(gained, lost) == pytest.approx(float(2 * tail - point))
    assert mid_p(gained, lost) <= exact_p(gained, lost) + 1e-12
    assert exact_p(gained, lost) == exact_p(lost, gained)


def test_a_known_case() -> None:
    # 1 of 10 discordant: 2 (1 + 10) / 1024.
    assert exact_p(9, 1) == pytest.approx(22 / 1024)
    assert mid_p(9, 1) == pytest.approx(12 / 1024)
    assert exact_p(0, 0) == mid_p(0, 0) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_combination_is_between_the_bonferroni_bound_and_twice_the_median(
    p_values: list[float],
) -> None:
    ordered, count = sorted(p_values), len(p_values)
    found = combined(p_values)
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    assert found <= min(1.0, 2 * median) + 1e-12
    assert found >= min(1.0, ordered[0])
    assert found == pytest.approx(min(1.0, count / ceil(count / 2) * ordered[ceil(count / 2) - 1]))


def test_seeds_are_combined_and_not_added_up() -> None:
    once, thrice = mcnemar([(12, 5)]), mcnemar([(12, 5)] * 3)
    assert once.exact == pytest.approx(exact_p(12, 5))
    assert thrice.exact == pytest.approx(1.5 * once.exact)
    assert thrice.exact > exact_p(36, 15)
    assert thrice.discordant == ((12, 5),) * 3
