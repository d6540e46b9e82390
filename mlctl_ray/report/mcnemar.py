"""McNemar's test on one language, for each seed's pair of models (docs/statistics.md, 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .values import McNemar


def mcnemar(discordant: Sequence[tuple[int, int]]) -> McNemar:
    """Exact and mid-p test of each seed's pair of models, combined over seeds.

    Args:
        discordant: for each seed, how many examples only the variant and only the baseline has
            right. Seeds are not added up: examples repeat over seeds.
    """
    pairs = tuple((int(gained), int(lost)) for gained, lost in discordant)
    return McNemar(
        discordant=pairs,
        exact=combined([exact_p(*pair) for pair in pairs]),
        mid_p=combined([mid_p(*pair) for pair in pairs]),
    )


def exact_p(gained: int, lost: int) -> float:
    """Two-sided binomial test of ``gained`` out of both against one half (McNemar 1947)."""
    return min(1.0, 2 * _tail(min(gained, lost), gained + lost))


def mid_p(gained: int, lost: int) -> float:
    """Twice the smaller tail with half of the observed point (Fagerland, Lydersen & Laake 2013)."""
    total, smaller = gained + lost, min(gained, lost)
    return min(1.0, _tail(smaller, total) + _tail(smaller - 1, total)) if total else 1.0


def combined(p_values: Sequence[float]) -> float:
    """S / k times the k-th smallest of S p-values with k = ceil(S / 2) (Rueger 1978).

    At most twice the median; valid however the p-values depend on each other, and they do: all
    seeds are scored on the same examples.
    """
    count = len(p_values)
    place = math.ceil(count / 2)
    return min(1.0, count / place * sorted(p_values)[place - 1])


def _tail(count: int, total: int) -> float:
    """Chance of at most ``count`` heads in ``total`` throws of a fair coin."""
    from scipy.special import bdtr

    return float(bdtr(count, total, 0.5)) if count >= 0 else 0.0
