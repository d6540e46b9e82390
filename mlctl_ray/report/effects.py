"""Effects of a variant on each language and average, with intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .crossed import LEVEL, crossed
from .effect_sizes import (
    Right,
    Table,
    cohens_h_table,
    difference_table,
    discordant,
    log_odds_table,
)
from .mcnemar import mcnemar
from .paired import Paired
from .statistics import bootstrap, holm, percentile
from .values import Effect, Resampled, Sized

ALPHA = round(1 - LEVEL, 12)


def effects_of(
    variant: str, data: Paired, groups: Mapping[str, Sequence[str]], *, family: Sequence[str]
) -> tuple[Effect, ...]:
    """An effect for each group that has examples.

    Args:
        groups: name of a language or average -> its languages.
        family: names that Holm's correction is over; their smallest detectable effect is that at
            ALPHA over the size of the family.
    """
    pairs = {name: pair for name, members in groups.items() if (pair := data.of(members))}
    tables = {name: difference_table(*pair) for name, pair in pairs.items()}
    resampled = _resampled(tables)
    tested = [name for name in family if name in pairs]
    found = {
        name: _effect(
            variant,
            name,
            pair,
            tables[name],
            resampled[name],
            alpha=ALPHA / len(tested) if name in tested else ALPHA,
        )
        for name, pair in pairs.items()
    }
    corrected = holm([found[name].p for name in tested])
    for name, p in zip(tested, corrected, strict=True):
        found[name] = replace(found[name], p_holm=p)
    return tuple(found.values())


def _effect(
    variant: str,
    target: str,
    pair: tuple[Right, Right],
    table: Table,
    resampled: Resampled,
    *,
    alpha: float,
) -> Effect:
    # An accuracy on N examples is not known better than to one example.
    model = crossed(table, resolution=1 / table.shape[1])
    low, high = model.interval()
    return Effect(
        variant=variant,
        target=target,
        difference=model.mean,
        low=max(low, -1.0),
        high=min(high, 1.0),
        p=model.p_value(),
        p_holm=None,
        seeds=model.seeds,
        examples=model.examples,
        covers_seeds=model.covers_seeds,
        standard_error=model.standard_error,
        detectable=model.detectable(alpha),
        bootstrap=resampled,
        cohens_h=_cohens_h(*pair),
        odds_ratio=_odds_ratio(*pair),
        mcnemar=mcnemar(discordant(*pair)) if pair[0].shape[1] == 1 else None,
    )


def _resampled(tables: Mapping[str, Table]) -> dict[str, Resampled]:
    """Tables of one shape share the draws, since a draw costs more than its use."""
    shapes: dict[tuple[int, ...], list[str]] = {}
    for name, table in tables.items():
        shapes.setdefault(table.shape, []).append(name)
    found: dict[str, Resampled] = {}
    for names in shapes.values():
        drawn = bootstrap(np.stack([tables[name] for name in names], axis=1))
        found |= {name: percentile(drawn[:, place]) for place, name in enumerate(names)}
    return found


def _cohens_h(ours: Right, theirs: Right) -> Sized:
    # One example moves h by about 2 / N, or more away from p = 1/2.
    model = crossed(cohens_h_table(ours, theirs), resolution=2 / ours.shape[2])
    low, high = model.interval()
    return Sized(model.mean, max(low, -math.pi), min(high, math.pi))


def _odds_ratio(ours: Right, theirs: Right) -> Sized | None:
    if not any(sum(counts) for counts in discordant(ours, theirs)):
        return None
    model = crossed(log_odds_table(ours, theirs))
    low, high = model.interval()
    return Sized(_exp(model.mean), _exp(low), _exp(high))


def _exp(value: float) -> float:
    """Finite, since JSON has no infinity."""
    return math.exp(min(value, 700.0))
