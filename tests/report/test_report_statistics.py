from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.report.statistics import bootstrap, difference_of_means, estimate, holm


def signs(seeds: int, languages: int, examples: int, *, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.sign(rng.normal(shift, 1, (seeds, languages, examples))).astype(np.float32)


def test_difference_is_the_mean_over_examples_then_seeds() -> None:
    differences = signs(2, 3, 50)
    differences[0, 1, 10:] = np.nan
    differences[:, 2] = np.nan
    by_hand = [
        differences[:, 0].mean(),
        (differences[0, 1, :10].mean() + differences[1, 1].mean()) / 2,
    ]
    result = difference_of_means(differences)
    np.testing.assert_allclose(result[:2], by_hand, atol=1e-6)
    assert np.isnan(result[2])


def test_one_seed_gives_the_standard_error_over_examples() -> None:
    differences = signs(1, 2, 400)
    drawn = bootstrap(differences)
    expected = differences[0].std(axis=1) / np.sqrt(400)
    np.testing.assert_allclose(drawn.std(axis=0), expected, rtol=0.08)
    np.testing.assert_allclose(drawn.mean(axis=0), differences[0].mean(axis=1), atol=0.005)


def test_repeating_a_seed_does_not_shrink_the_interval() -> None:
    one = signs(1, 1, 400)
    same = np.repeat(one, 4, axis=0)
    assert bootstrap(same).std() == pytest.approx(bootstrap(one).std(), rel=0.08)


def test_seeds_that_differ_widen_the_interval() -> None:
    differences = np.zeros((4, 1, 200), np.float32)
    differences[:2] = 1.0
    drawn = bootstrap(differences)
    # Seed means are 1, 1, 0, 0: standard deviation 0.5, of the mean of four 0.25.
    assert drawn.std() == pytest.approx(0.25, rel=0.08)


def test_languages_share_the_draw_of_examples() -> None:
    one = signs(1, 1, 300)
    drawn = bootstrap(np.repeat(one, 5, axis=1))
    np.testing.assert_array_equal(drawn, np.repeat(drawn[:, :1], 5, axis=1))


def test_absent_examples_do_not_count_as_ties() -> None:
    differences = np.ones((2, 1, 100), np.float32)
    differences[:, :, 50:] = np.nan
    assert set(bootstrap(differences).ravel()) == {1.0}


def test_chunks_do_not_change_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = signs(3, 2, 200, shift=0.3)
    whole = bootstrap(differences)
    monkeypatch.setattr("mlctl_ray.report.statistics._CHUNK_CELLS", 200 * 300)
    pieces = bootstrap(differences)
    assert pieces.shape == whole.shape
    np.testing.assert_allclose(
        np.quantile(pieces, [0.025, 0.975], axis=0),
        np.quantile(whole, [0.025, 0.975], axis=0),
        atol=0.02,
    )


def test_p_value_and_interval() -> None:
    samples = np.linspace(-1.0, 3.0, 2000)
    result = estimate(1.0, samples)
    assert (result.low, result.high) == pytest.approx((-0.9, 2.9))
    assert result.p == pytest.approx(2 * 501 / 2001)
    assert estimate(0.0, np.zeros(2000)).p == 1.0
    assert estimate(1.0, np.ones(2000)).p == pytest.approx(2 / 2001)


def test_intervals_cover_the_truth_at_their_rate() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(200):
        data = (rng.random((1, 1, 150)) < 0.6).astype(np.float32) - 0.5
        result = estimate(0.0, bootstrap(data, resamples=400, seed=trial)[:, 0])
        covered += result.low <= 0.1 <= result.high
    assert 178 <= covered <= 199


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    count = len(p_values)
    for mine, p in zip(adjusted, p_values, strict=True):
        steps = [
            (count - sum(q < other for q in p_values)) * other for other in p_values if other <= p
        ]
        assert mine == pytest.approx(min(1.0, max(steps)))
