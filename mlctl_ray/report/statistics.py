"""Paired differences with seeds and examples as random effects.

Shapes: S seeds, L languages, N examples, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK_CELLS = 20_000_000

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference with its 95% percentile interval and two-sided bootstrap p-value."""

    difference: float
    low: float
    high: float
    p: float


def difference_of_means(differences: NDArray[np.float32]) -> FloatArray:
    """Mean over examples, then over seeds: (L,), NaN for a language without examples."""
    per_seed = _masked_mean(
        np.nansum(differences, axis=2, dtype=np.float64),
        np.isfinite(differences).sum(axis=2),
    )
    return _masked_mean(np.nansum(per_seed, axis=0), np.isfinite(per_seed).sum(axis=0))


def bootstrap(
    differences: NDArray[np.float32], *, resamples: int = RESAMPLES, seed: int = 0
) -> FloatArray:
    """Differences of R bootstrap samples: (R, L).

    ``differences`` is right(variant) - right(baseline) in {-1, 0, 1} of one seed, language and
    example, NaN where an example is absent. Seeds are drawn with replacement and, within them,
    examples. The draw of examples is one for all seeds and languages, because the same examples
    are scored under each seed and are translations of each other: drawing them anew for each seed
    would divide their share of the variance by S, and averages over languages would be taken for
    averages of independent samples (Owen 2007, "The pigeonhole bootstrap", Ann. Appl. Stat. 1).
    With one seed the result covers examples only.
    """
    seeds, languages, examples = differences.shape
    rng = np.random.default_rng(seed)
    flat = differences.reshape(seeds * languages, examples).T
    present = np.isfinite(flat).astype(np.float32)
    values = np.nan_to_num(flat).astype(np.float32)
    complete = bool(present.all())
    drawn = np.empty((resamples, languages))
    step = max(1, _CHUNK_CELLS // max(examples, 1))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        weights = _draws(rng, rows, examples)
        totals = weights @ values
        counts = np.float32(examples) if complete else weights @ present
        means = _masked_mean(totals, counts).reshape(rows, seeds, languages)
        seed_draws = _draws(rng, rows, seeds)[:, :, None]
        known = np.isfinite(means)
        drawn[start : start + rows] = _masked_mean(
            (np.nan_to_num(means) * seed_draws).sum(1), (known * seed_draws).sum(1)
        )
    return drawn


def estimate(difference: float, samples: FloatArray) -> Estimate:
    """Percentile interval and p = 2 min(P(d* <= 0), P(d* >= 0)), with one added to each count."""
    drawn = samples[np.isfinite(samples)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    smaller = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (smaller + 1) / (len(drawn) + 1))
    return Estimate(float(difference), float(low), float(high), p)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Step-down adjusted p-values in the given order (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    count = len(p_values)
    scaled = np.asarray(p_values, dtype=np.float64)[order] * (count - np.arange(count))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return tuple(float(p) for p in adjusted)


def _draws(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.float32]:
    """How often each of ``size`` items comes up in ``size`` draws with replacement."""
    drawn = rng.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
    counts = np.bincount(drawn.ravel(), minlength=rows * size)
    return counts.reshape(rows, size).astype(np.float32)


def _masked_mean(
    total: NDArray[np.floating], count: NDArray[np.generic] | np.float32
) -> FloatArray:
    total = np.asarray(total, dtype=np.float64)
    number = np.broadcast_to(np.asarray(count, dtype=np.float64), total.shape)
    mean: FloatArray = np.full(total.shape, np.nan)
    np.divide(total, number, out=mean, where=number > 0)
    return mean
