"""Rows of different lengths into padded torch tensors, and batches that move to a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from .batching import padded_length
from .ragged import AnyArray, IntArray, RaggedArray
from .tokenizer import Encoded

Batch = TypeVar("Batch", bound="TensorBatch")


class TensorBatch:
    """Base of the frozen dataclasses whose tensors travel together."""

    __slots__ = ()

    def to(self: Batch, device: torch.device | str) -> Batch:
        """The batch with every tensor on `device`, those of nested batches too."""
        moved: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tensor | TensorBatch):
                moved[field.name] = value.to(device)
        return replace(self, **moved)  # type: ignore[type-var]


def pad_values(values: AnyArray, lengths: IntArray, fill: int) -> tuple[Tensor, Tensor]:
    """Pad rows that lie one after the other in `values`.

    Returns:
        (B, L) int64 rows with `fill` after their end, L a `padded_length`, and the (B, L) int64
        mask with 1 where a value is.
    """
    width = padded_length(int(lengths.max()) if len(lengths) else 0)
    mask_BL = np.arange(width) < lengths[:, None]
    rows_BL = np.full(mask_BL.shape, fill, dtype=np.int64)
    rows_BL[mask_BL] = values
    return torch.from_numpy(rows_BL), torch.from_numpy(mask_BL.astype(np.int64))


def pad_rows(array: RaggedArray, rows: IntArray, pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (`pad_values`) of some rows of a table."""
    return pad_values(*array.gather(rows), pad_id)


def pad_texts(texts: Sequence[Encoded] | Sequence[AnyArray], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (`pad_values`) of encoded texts or of arrays of ids."""
    parts = [np.asarray(t.ids if isinstance(t, Encoded) else t, dtype=np.int64) for t in texts]
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    return pad_values(np.concatenate(parts) if parts else np.zeros(0, np.int64), lengths, pad_id)
