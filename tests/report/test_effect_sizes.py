"""Effect sizes against their definitions, with and without absent examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlctl_ray.report.effect_sizes import (
    cohens_h_table,
    difference_table,
    discordant,
    log_odds_table,
)
from mlctl_ray.report.effects import effects_of
from mlctl_ray.report.paired import Paired

SHAPE = (3, 2, 60)


def answers(seed: int, share: float, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < share).astype(np.float32)


def with_gaps(ours: np.ndarray, theirs: np.ndarray) -> None:
    for side in (ours, theirs):
        side[0, 1, 40:] = np.nan
        side[:, 0, 7] = np.nan


@pytest.mark.parametrize("gaps", [False, True])
def test_means_of_the_tables_are_the_effect_sizes(gaps: bool) -> None:
    ours, theirs = answers(1, 0.7), answers(2, 0.5)
    if gaps:
        with_gaps(ours, theirs)
    p_ours, p_theirs = (np.nanmean(side, axis=2).mean(axis=1) for side in (ours, theirs))
    difference = difference_table(ours, theirs)
    np.testing.assert_allclose(difference.mean(axis=1), p_ours - p_theirs, atol=1e-6)
    h = [2 * math.asin(math.sqrt(a)) - 2 * math.asin(math.sqrt(b))
         for a, b in zip(p_ours, p_theirs, strict=True)]  # fmt: skip
    np.testing.assert_allclose(cohens_h_table(ours, theirs).mean(axis=1), h, atol=1e-6)
    for seed, (gained, lost) in enumerate(discordant(ours, theirs)):
        pairs = [
            (a, b)
            for a, b in zip(ours[seed].ravel(), theirs[seed].ravel(), strict=True)
            if not np.isnan(a)
        ]
        assert gained == sum(a > b for a, b in pairs)
        assert lost == sum(a < b for a, b in pairs)
        expected = math.log((gained + 0.5) / (lost + 0.5))
        assert log_odds_table(ours, theirs)[seed].mean() == pytest.approx(expected)


def test_complete_differences_are_the_plain_ones() -> None:
    ours, theirs = answers(1, 0.7), answers(2, 0.5)
    np.testing.assert_allclose(
        difference_table(ours, theirs), (ours - theirs).mean(axis=1), atol=1e-6
    )


def test_the_influence_is_what_leaving_an_example_out_changes() -> None:
    ours, theirs = answers(1, 0.7), answers(2, 0.5)
    with_gaps(ours, theirs)
    table = cohens_h_table(ours, theirs)
    examples = SHAPE[2]
    for left_out in (0, 7, 31, 55):
        keep = np.arange(examples) != left_out
        without = cohens_h_table(ours[:, :, keep], theirs[:, :, keep]).mean(axis=1)
        whole = table.mean(axis=1)
        jackknife = whole + (examples - 1) * (whole - without)
        np.testing.assert_allclose(table[:, left_out], jackknife, atol=0.1)


def test_a_seed_or_an_example_without_a_language_does_not_count_for_its_average() -> None:
    ours, theirs = answers(1, 0.7), answers(2, 0.5)
    for side in (ours, theirs):
        side[2, 1] = np.nan
        side[:, :, 50:] = np.nan
    data = Paired((0, 1, 2), ("de", "sw"), ours, theirs)
    groups = {"de": ("de",), "sw": ("sw",), "mean": ("de", "sw")}
    found = {e.target: e for e in effects_of("best", data, groups, family=("de", "sw"))}
    assert {name: e.seeds for name, e in found.items()} == {"de": 3, "sw": 2, "mean": 2}
    assert {e.examples for e in found.values()} == {50}
    expected = np.nanmean((ours - theirs)[:2, :, :50])
    assert found["mean"].difference == pytest.approx(expected, abs=1e-6)
    assert found["mean"].mcnemar is None
    assert found["mean"].p_holm is None
    assert found["de"].p_holm is not None


def test_sides_that_never_differ_have_no_odds_and_an_interval_that_is_not_empty() -> None:
    ours = answers(1, 0.6)
    data = Paired((0, 1, 2), ("de", "sw"), ours, ours.copy())
    (effect,) = effects_of("best", data, {"de": ("de",)}, family=("de",))
    assert effect.odds_ratio is None
    assert effect.p == 1.0
    assert effect.difference == 0.0
    # One example of 60, twice the standard error.
    assert effect.high == pytest.approx(2.0 / 60, rel=0.01)
    assert effect.detectable is not None
    assert effect.detectable > 1 / 60


def test_fewer_than_two_examples_give_no_effect() -> None:
    data = Paired((0,), ("de",), answers(1, 1.0, (1, 1, 1)), answers(1, 0.0, (1, 1, 1)))
    assert effects_of("best", data, {"de": ("de",)}, family=("de",)) == ()
