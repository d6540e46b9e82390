"""The premise x hypothesis matrices of baseline and selected configuration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .values import PairMatrices

Matrix = NDArray[np.float64]


def pair_matrices(
    baseline: Sequence[pd.DataFrame],
    selected: Sequence[pd.DataFrame],
    languages: Sequence[str],
    split: str,
) -> PairMatrices | None:
    """Means over the runs of each side; ``None`` when a side has no matrix."""
    if not baseline or not selected:
        return None
    present = {
        str(name)
        for table in (*baseline, *selected)
        for column in ("premise_language", "hypothesis_language")
        for name in table[column].unique()
    }
    order = [name for name in languages if name in present]
    if not order:
        return None
    ours, theirs = _mean(selected, order), _mean(baseline, order)
    difference = ours - theirs
    diagonal = np.eye(len(order), dtype=bool)
    return PairMatrices(
        split=split,
        languages=tuple(order),
        baseline=_rows(theirs),
        selected=_rows(ours),
        difference=_rows(difference),
        examples=int(min(table["examples"].min() for table in (*baseline, *selected))),
        seeds=min(len(baseline), len(selected)),
        same_language=_finite_mean(difference[diagonal]),
        mixed=_finite_mean(difference[~diagonal]),
    )


def _mean(tables: Sequence[pd.DataFrame], order: Sequence[str]) -> Matrix:
    index = pd.Index(list(order))
    stacked = np.stack(
        [
            table.pivot_table(
                index="premise_language", columns="hypothesis_language", values="accuracy"
            )
            .reindex(index=index, columns=index)
            .to_numpy(dtype=np.float64)
            for table in tables
        ]
    )
    known = np.isfinite(stacked).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    mean: Matrix = np.full(total.shape, np.nan)
    np.divide(total, known, out=mean, where=known > 0)
    return mean


def _rows(matrix: Matrix) -> tuple[tuple[float | None, ...], ...]:
    return tuple(
        tuple(float(value) if np.isfinite(value) else None for value in row) for row in matrix
    )


def _finite_mean(values: Matrix) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
