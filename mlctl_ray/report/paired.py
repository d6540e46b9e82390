"""Right and wrong answers of two configurations on the same examples and seeds.

Shapes: S seeds, L languages, N examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .effect_sizes import Right
from .predictions import ScoredRun


@dataclass(frozen=True, slots=True)
class Paired:
    """1 right, 0 wrong: (S, L, N) each, NaN in both where either has no prediction."""

    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    ours: Right
    theirs: Right

    def of(self, members: Sequence[str]) -> tuple[Right, Right] | None:
        """Languages ``members``, the seeds that have all of them, the examples of any of them.

        ``None`` without such a seed, or with fewer than two examples.
        """
        picked = np.array([self.languages.index(name) for name in members])
        present = np.isfinite(self.ours[:, picked])
        seeds = np.flatnonzero(np.all(present.any(axis=2), axis=1))
        examples = np.flatnonzero(present[seeds].any(axis=(0, 1)))
        if not len(seeds) or len(examples) < 2:
            return None
        cells = np.ix_(seeds, picked, examples)
        return self.ours[cells], self.theirs[cells]


def paired_seeds(variant: Sequence[ScoredRun], baseline: Sequence[ScoredRun]) -> tuple[int, ...]:
    """Seeds for which both have predictions, in order."""
    ours, theirs = (
        {run.seed for run in runs if run.right is not None} for runs in (variant, baseline)
    )
    return tuple(sorted(ours & theirs))


def paired(
    variant: Sequence[ScoredRun], baseline: Sequence[ScoredRun], languages: Sequence[str]
) -> Paired | None:
    """Both sides over the union of their example ids; ``None`` without a common seed."""
    seeds = paired_seeds(variant, baseline)
    if not seeds or not languages:
        return None
    sides = [
        {run.seed: run.right for run in side if run.right is not None}
        for side in (variant, baseline)
    ]
    index: pd.Index = sides[0][seeds[0]].index
    for side in sides:
        for seed in seeds:
            index = index.union(side[seed].index)
    ours, theirs = (_stacked([side[seed] for seed in seeds], index, languages) for side in sides)
    absent = np.isnan(ours) | np.isnan(theirs)
    ours[absent] = np.nan
    theirs[absent] = np.nan
    return Paired(seeds, tuple(languages), ours, theirs)


def _stacked(
    tables: Sequence[pd.DataFrame], index: pd.Index, languages: Sequence[str]
) -> NDArray[np.float32]:
    columns = pd.Index(list(languages))
    return np.stack(
        [t.reindex(index=index, columns=columns).to_numpy(dtype=np.float32).T for t in tables]
    )
