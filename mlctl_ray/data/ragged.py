"""Rows of different lengths as two memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
AnyArray: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class RaggedArray:
    """Row i is ``values[starts[i]:starts[i + 1]]``; `starts` has one entry more than rows."""

    values: AnyArray
    starts: IntArray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> IntArray:
        """(rows,) int64 number of values of each row."""
        lengths: IntArray = np.diff(self.starts)
        return lengths

    def row(self, index: int) -> AnyArray:
        """The values of one row, a read-only view."""
        values: AnyArray = self.values[self.starts[index] : self.starts[index + 1]]
        return values

    def gather(self, rows: IntArray) -> tuple[AnyArray, IntArray]:
        """The values of several rows one after the other, and each row's length."""
        rows = np.asarray(rows, dtype=np.int64)
        starts = self.starts[rows]
        lengths: IntArray = self.starts[rows + 1] - starts
        return self.values[ranges(starts, lengths)], lengths


def ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """The whole numbers ``[start, start + length)`` of each entry, one after the other."""
    ends: IntArray = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    numbers: IntArray = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return numbers


def ragged_from_rows(rows: Sequence[Sequence[int]]) -> RaggedArray:
    """Rows of whole numbers held in memory, for small sets that need no cache."""
    values, lengths = _flatten(rows)
    return RaggedArray(values.astype(_smallest_type(values)), _starts(lengths))


def write_ragged(folder: Path, name: str, rows: Sequence[Sequence[int]]) -> None:
    """Write rows of whole numbers as ``<name>.values.npy`` and ``<name>.starts.npy``."""
    write_flat(folder, name, *_flatten(rows))


def write_flat(folder: Path, name: str, values: IntArray, lengths: IntArray) -> None:
    """Write rows that already lie one after the other in `values` (int64).

    Values are kept as uint16, int32 or int64, the first of these that holds them all: piece ids
    take two bytes with T5's vocabulary and four with mT5's.
    """
    np.save(folder / f"{name}.values.npy", values.astype(_smallest_type(values)))
    np.save(folder / f"{name}.starts.npy", _starts(lengths))


def open_ragged(folder: Path, name: str) -> RaggedArray:
    """Memory-map what `write_ragged` wrote."""
    return RaggedArray(open_array(folder, f"{name}.values"), open_array(folder, f"{name}.starts"))


def open_array(folder: Path, name: str) -> AnyArray:
    """Memory-map ``<name>.npy``, read-only, as a plain array (quicker to index than a memmap)."""
    return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))


def _flatten(rows: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    numbers = chain.from_iterable(rows)
    return np.fromiter(numbers, dtype=np.int64, count=int(lengths.sum())), lengths


def _starts(lengths: IntArray) -> IntArray:
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _smallest_type(values: IntArray) -> type[np.integer[Any]]:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in (np.uint16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    return np.int64
