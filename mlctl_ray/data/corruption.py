"""T5's span corruption (Raffel et al., 2020, section 3.1.4 and `random_spans_noise_mask`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..errors import InputError
from .padding import TensorBatch, pad_texts, pad_values
from .ragged import AnyArray, IntArray, RaggedArray

IGNORED = -100
"""Label of padding, which the loss leaves out."""


@dataclass(frozen=True, slots=True)
class CorruptedBatch(TensorBatch):
    """Corrupted inputs (B, L) and the labels (B, T) that restore them, -100 at padding."""

    input_ids_BL: Tensor
    attention_mask_BL: Tensor
    labels_BT: Tensor


def corrupt_spans(
    ids: AnyArray,
    *,
    rate: float,
    mean_length: float,
    sentinels: Sequence[int],
    eos_id: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Cut random spans out of one row of pieces.

    Of n pieces (an end of sequence at the end apart), round(n x rate) are noise, at least one and
    at most n - 1, in round(noise / mean_length) spans. As in T5 the row begins with kept pieces
    and ends with noise. A row with fewer than two pieces stays as it is.

    Args:
        ids: (n,) or (n + 1,) pieces, with or without the end of sequence.
        rate: share of noise, in (0, 1).
        mean_length: mean pieces of a span, above 0.
        sentinels: pieces that stand for the first, second, ... span; they also bound the number
            of spans.
        eos_id: end-of-sequence piece.
        rng: source of the spans.

    Returns:
        Inputs, in which each span is one sentinel, and targets, in which each sentinel is
        followed by its span; both end with `eos_id`. A row that stays as it is has the target
        `eos_id` alone.

    Raises:
        InputError: there is no sentinel.
    """
    if not sentinels:
        raise InputError("span corruption needs a tokenizer with <extra_id_N> pieces; it has none")
    body = np.asarray(ids, dtype=np.int64)
    if len(body) and body[-1] == eos_id:
        body = body[:-1]
    eos = np.array([eos_id], dtype=np.int64)
    if len(body) < 2:
        return np.concatenate([body, eos]), eos
    noise = _noise_mask(len(body), rate, mean_length, len(sentinels), rng)
    starts = np.flatnonzero(noise & ~np.concatenate([[False], noise[:-1]]))
    marks = np.asarray(sentinels, dtype=np.int64)[: len(starts)]
    inputs = body.copy()
    inputs[starts] = marks
    kept = ~noise
    kept[starts] = True
    # In the targets each sentinel goes before its span's first piece.
    places = np.searchsorted(np.flatnonzero(noise), starts)
    targets = np.insert(body[noise], places, marks)
    return np.concatenate([inputs[kept], eos]), np.concatenate([targets, eos])


def collate_corrupted(
    array: RaggedArray,
    rows: IntArray,
    pad_id: int,
    *,
    rate: float,
    mean_length: float,
    sentinels: Sequence[int],
    eos_id: int,
    rng_key: tuple[int, ...],
) -> CorruptedBatch:
    """The padded, corrupted batch of some rows of one side of a table.

    The spans of a row depend on `rng_key`, such as (seed, step, side), and on the row only.
    """
    pairs = [
        corrupt_spans(
            array.row(row),
            rate=rate,
            mean_length=mean_length,
            sentinels=sentinels,
            eos_id=eos_id,
            rng=np.random.default_rng([*rng_key, row]),
        )
        for row in np.asarray(rows).tolist()
    ]
    input_ids, mask = pad_texts([inputs for inputs, _ in pairs], pad_id)
    targets = [target for _, target in pairs]
    lengths = np.fromiter(map(len, targets), np.int64, len(targets))
    flat = np.concatenate(targets) if targets else np.zeros(0, np.int64)
    return CorruptedBatch(input_ids, mask, pad_values(flat, lengths, IGNORED)[0])


def _noise_mask(
    length: int, rate: float, mean_length: float, most_spans: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """(length,) mask of noise; spans of kept pieces and of noise alternate, kept first."""
    noise = min(max(round(length * rate), 1), length - 1)
    kept = length - noise
    spans = min(max(round(noise / mean_length), 1), noise, kept, most_spans)
    lengths = np.stack([_partition(kept, spans, rng), _partition(noise, spans, rng)], axis=1)
    return np.repeat(np.tile([False, True], spans), lengths.ravel())


def _partition(total: int, parts: int, rng: np.random.Generator) -> IntArray:
    """Lengths, each at least 1, of `parts` parts of `total`; every such cut is equally likely."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(cuts, prepend=0, append=total)
