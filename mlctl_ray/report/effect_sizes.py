"""Tables of seeds and examples whose mean is an effect size (docs/statistics.md, section 5).

An effect size of a seed is a smooth function of means over examples. Each table holds, for a seed
and an example, the seed's value plus the example's influence on it, so that the variance of the
table's mean is that of the effect size to first order (the infinitesimal jackknife). An example
that a language lacks has no influence there.

Shapes: S seeds, M languages that are averaged, N examples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Right = NDArray[np.float32]
"""1 right, 0 wrong, NaN absent: (S, M, N), absent in both arrays of a pair alike."""
Table = NDArray[np.float64]


def difference_table(ours: Right, theirs: Right) -> Table:
    """Mean over languages of accuracy minus accuracy: (S, N)."""
    ours_mean, ours_part = _means(ours)
    theirs_mean, theirs_part = _means(theirs)
    return (ours_mean - theirs_mean)[:, None] + ours_part - theirs_part


def cohens_h_table(ours: Right, theirs: Right) -> Table:
    """Cohen's h (1988), 2 asin sqrt(p) of ours minus theirs, of the mean accuracies: (S, N)."""
    examples = ours.shape[2]
    total = np.zeros((ours.shape[0], examples))
    for right, sign in ((ours, 1.0), (theirs, -1.0)):
        mean, part = _means(right)
        slope = 1 / np.sqrt(np.maximum(mean * (1 - mean), 0.25 / examples))
        angle = 2 * np.arcsin(np.sqrt(np.clip(mean, 0, 1)))
        total += sign * (angle[:, None] + slope[:, None] * part)
    return total


def log_odds_table(ours: Right, theirs: Right) -> Table:
    """Log of the odds that a discordant example is right with ours: (S, N).

    One half is added to both counts (Haldane 1956, Anscombe 1956). Counts are over all languages.
    """
    examples = ours.shape[2]
    gained, lost = ((ours > theirs).sum(axis=1), (ours < theirs).sum(axis=1))
    gains, losses = gained.sum(axis=1) + 0.5, lost.sum(axis=1) + 0.5
    influence = examples * (gained / gains[:, None] - lost / losses[:, None])
    centred = influence - influence.mean(axis=1, keepdims=True)
    return np.asarray(np.log(gains / losses)[:, None] + centred, dtype=np.float64)


def discordant(ours: Right, theirs: Right) -> tuple[tuple[int, int], ...]:
    """For each seed, how many examples only ours and only theirs has right."""
    gained, lost = (ours > theirs).sum(axis=(1, 2)), (ours < theirs).sum(axis=(1, 2))
    return tuple((int(g), int(b)) for g, b in zip(gained, lost, strict=True))


def _means(right: Right) -> tuple[Table, Table]:
    """Mean over languages of the accuracy (S,), and each example's influence on it (S, N)."""
    values = right.astype(np.float64)
    present = np.isfinite(values)
    counts = present.sum(axis=2, keepdims=True)
    accuracy = np.nansum(values, axis=2, keepdims=True) / counts
    influence = np.where(present, values - accuracy, 0.0) * (values.shape[2] / counts)
    return accuracy[:, :, 0].mean(axis=1), influence.mean(axis=1)
