"""What the loss of one level returns, and the masked reductions that the levels share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LevelLoss:
    """Loss of one level (sentence, word, multi-level vector or label) over one batch.

    Everything is a scalar tensor on the device of the input, so that nothing waits for the device.

    Attributes:
        loss: mean over the anchors that count; 0, still attached to the graph, if none does.
            Negative values are normal for an offset above 0.
        anchors: int64, how many anchors count (they have a positive and at least one negative).
        positive_similarity: mean cosine of the positives of those anchors, detached; 0 if none.
        negative_similarity: mean cosine of their negatives, detached; 0 if none.
    """

    loss: Tensor
    anchors: Tensor
    positive_similarity: Tensor
    negative_similarity: Tensor


def widen(values: Tensor) -> Tensor:
    """Return ``values`` in float32, or unchanged if they are float32 or float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def unit_rows(rows: Tensor) -> Tensor:
    """Divide every row of an (N, D) tensor by its Euclidean norm; a zero row stays zero.

    A zero row is divided by 1 and not by a small epsilon, which would multiply its gradient.
    """
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(norms > 0, norms, torch.ones_like(norms))


def masked_logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    """Log-sum-exp over dim 1 of (N, M) ``values`` where ``mask`` holds; finite in every row.

    A row with nothing under the mask yields a constant without gradient, for the caller to leave
    out: -inf, the log of an empty sum, would let a later product with 0 make the batch NaN.
    """
    empty = ~mask.any(dim=1, keepdim=True)
    kept = values.masked_fill(~mask, float("-inf")).masked_fill(empty, 0.0)
    return torch.logsumexp(kept, dim=1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` where ``mask`` (same shape) holds; 0 with a graph where it never does."""
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)
