"""Retrieval accuracy of parallel sentences both ways, Tatoeba style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RetrievalAccuracy:
    """Shares of sentences whose nearest neighbour by cosine is their translation."""

    to_source: float
    from_source: float

    @property
    def mean(self) -> float:
        """Mean of both directions."""
        return (self.to_source + self.from_source) / 2


def retrieval_accuracy(
    source_ND: NDArray[np.float32], target_ND: NDArray[np.float32]
) -> RetrievalAccuracy:
    """Nearest neighbours by cosine among N aligned rows of each side.

    Rows are centred on their side's mean first: encoder states share a large common component
    that differs between languages. Ties count as errors unless the first of them is right.
    """
    source, target = _normalise(source_ND), _normalise(target_ND)
    similarity = source @ target.T
    gold = np.arange(len(source))
    return RetrievalAccuracy(
        to_source=float(np.mean(similarity.argmax(0) == gold)),
        from_source=float(np.mean(similarity.argmax(1) == gold)),
    )


def _normalise(rows_ND: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = rows_ND.astype(np.float64) - rows_ND.mean(0, dtype=np.float64)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    normalised: NDArray[np.float64] = centred / np.where(norms > 0, norms, 1.0)
    return normalised
