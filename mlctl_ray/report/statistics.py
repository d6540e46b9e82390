"""The crossed percentile bootstrap, and Holm's correction.

Shapes: S seeds, T tables, N examples, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .crossed import LEVEL
from .values import Resampled

RESAMPLES = 2000
_CHUNK_CELLS = 20_000_000

FloatArray = NDArray[np.float64]


def bootstrap(
    tables: NDArray[np.floating[Any]], *, resamples: int = RESAMPLES, seed: int = 0
) -> FloatArray:
    """Means of R bootstrap samples of each table: (R, T).

    ``tables`` is (S, T, N): seeds, tables, examples. Seeds are drawn with replacement and, within
    them, examples. The draw of examples is one for all seeds and tables, because the same examples
    are scored under each seed: drawing them anew for each seed would divide their share of the
    variance by S (Owen 2007, "The pigeonhole bootstrap", Ann. Appl. Stat. 1). With one seed the
    result covers examples only.
    """
    seeds, count, examples = tables.shape
    rng = np.random.default_rng(seed)
    flat = tables.reshape(seeds * count, examples).T.astype(np.float32)
    drawn = np.empty((resamples, count))
    step = max(1, _CHUNK_CELLS // max(examples, 1))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        means = (_draws(rng, rows, examples) @ flat).reshape(rows, seeds, count) / examples
        picked = _draws(rng, rows, seeds)[:, :, None]
        drawn[start : start + rows] = (means * picked).sum(axis=1) / seeds
    return drawn


def percentile(samples: FloatArray) -> Resampled:
    """Percentile interval and p = 2 min(P(d* <= 0), P(d* >= 0)), with one added to each count."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    smaller = min(int((samples <= 0).sum()), int((samples >= 0).sum()))
    p = min(1.0, 2 * (smaller + 1) / (len(samples) + 1))
    return Resampled(float(low), float(high), p)


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
