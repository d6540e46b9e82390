"""Batches of tensors from rows of the tables.

Shapes: B rows, L and M padded pieces of source and target, N drawn words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .padding import TensorBatch, pad_rows, pad_texts
from .ragged import AnyArray, IntArray, ranges
from .tables import WORD_FIELDS, NliTable, ParallelTable

Uint64Array: TypeAlias = npt.NDArray[np.uint64]

__all__ = [
    "NliBatch",
    "ParallelBatch",
    "WordDraw",
    "collate_nli",
    "collate_parallel",
    "pad_rows",
    "pad_texts",
]


@dataclass(frozen=True, slots=True)
class NliBatch(TensorBatch):
    """NLI inputs with labels; `rows` are the table's rows that they come from."""

    input_ids_BL: Tensor
    attention_mask_BL: Tensor
    labels_B: Tensor
    rows: AnyArray


@dataclass(frozen=True, slots=True)
class WordDraw(TensorBatch):
    """N aligned words: row in the batch, half-open piece spans, and groups of equal words.

    `first_N` marks one word of each pair that has words: the one of the multi level. Words are
    ordered by pair, the first word of a pair before its others.
    """

    pair_N: Tensor
    source_begin_N: Tensor
    source_end_N: Tensor
    target_begin_N: Tensor
    target_end_N: Tensor
    source_group_N: Tensor
    target_group_N: Tensor
    first_N: Tensor


@dataclass(frozen=True, slots=True)
class ParallelBatch(TensorBatch):
    """Sentence pairs: both sides padded on their own, groups of equal sentences, drawn words."""

    source_ids_BL: Tensor
    source_mask_BL: Tensor
    target_ids_BM: Tensor
    target_mask_BM: Tensor
    source_groups_B: Tensor
    target_groups_B: Tensor
    words: WordDraw


def collate_nli(table: NliTable, rows: IntArray, pad_id: int) -> NliBatch:
    """The padded batch of some rows of an NLI table."""
    ids, mask = pad_rows(table.ids, rows, pad_id)
    return NliBatch(ids, mask, _tensor(table.labels[rows]), np.asarray(rows))


def collate_parallel(
    table: ParallelTable,
    rows: IntArray,
    pad_id: int,
    *,
    words_per_pair: int,
    rng_key: tuple[int, int],
) -> ParallelBatch:
    """The padded batch of some rows of a parallel table, with words drawn from each pair.

    Args:
        table: the tokenised pairs.
        rows: of the table.
        pad_id: padding piece.
        words_per_pair: most words drawn from a pair, without replacement.
        rng_key: (seed, step). The words drawn from a pair depend on this and on its row only, not
            on the micro-batch or the worker that the row is in.
    """
    source_ids, source_mask = pad_rows(table.source_ids, rows, pad_id)
    target_ids, target_mask = pad_rows(table.target_ids, rows, pad_id)
    return ParallelBatch(
        source_ids_BL=source_ids,
        source_mask_BL=source_mask,
        target_ids_BM=target_ids,
        target_mask_BM=target_mask,
        source_groups_B=_tensor(table.source_groups[rows]),
        target_groups_B=_tensor(table.target_groups[rows]),
        words=_draw_words(table, np.asarray(rows), words_per_pair, rng_key),
    )


def _draw_words(
    table: ParallelTable, rows: IntArray, words_per_pair: int, rng_key: tuple[int, int]
) -> WordDraw:
    values, lengths = table.words.gather(rows)
    words_W6 = values.reshape(-1, WORD_FIELDS)
    counts = lengths // WORD_FIELDS
    pair_W = np.repeat(np.arange(len(rows)), counts)
    index_W = ranges(np.zeros_like(counts), counts)
    # Ordering a pair's words by independent random numbers is a uniform random permutation.
    order = np.lexsort((_random_words(rng_key, rows[pair_W], index_W), pair_W))
    chosen = order[index_W < words_per_pair]
    words_N6 = words_W6[chosen]
    return WordDraw(
        pair_N=_tensor(pair_W[chosen]),
        source_begin_N=_tensor(words_N6[:, 0]),
        source_end_N=_tensor(words_N6[:, 1]),
        target_begin_N=_tensor(words_N6[:, 2]),
        target_end_N=_tensor(words_N6[:, 3]),
        source_group_N=_tensor(words_N6[:, 4]),
        target_group_N=_tensor(words_N6[:, 5]),
        first_N=torch.from_numpy(index_W[index_W < words_per_pair] == 0),
    )


def _random_words(rng_key: tuple[int, int], row_W: IntArray, index_W: IntArray) -> Uint64Array:
    """A 64-bit random number for each (seed, step, row, word), by chained SplitMix64 mixing."""
    state = np.zeros(len(row_W), dtype=np.uint64)
    for part in (*rng_key, row_W, index_W):
        state = _mix(state + np.asarray(part, dtype=np.uint64))
    return state


def _mix(state: Uint64Array) -> Uint64Array:
    """SplitMix64's step and finaliser (Steele, Lea and Flood, 2014), modulo 2^64."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _tensor(values: AnyArray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.int64))
