"""From character spans of words to half-open piece spans.

The rule: a word's pieces are those that share at least one character with it. A piece that also
covers neighbouring characters counts (a Unigram piece may hold several Chinese words), so two
words may have the same pieces. Pieces without characters (a lone space marker, the end of
sequence) never count. A word has no span when no piece overlaps it or when its end lies beyond the
last piece, because truncation has cut the word or taken it away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .examples import Span
from .ragged import IntArray


def piece_span(offsets: Sequence[tuple[int, int]], span: Span) -> tuple[int, int] | None:
    """The half-open piece span of one character span, or None (the rule of this module).

    Args:
        offsets: character range of each piece, in text order; empty ranges are pieces without
            characters.
        span: characters of the word.
    """
    flat = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    begin, end = piece_spans(
        flat,
        np.array([len(flat)]),
        np.zeros(1, dtype=np.int64),
        np.array([span.start]),
        np.array([span.end]),
    )
    return (int(begin[0]), int(end[0])) if begin[0] >= 0 else None


def piece_spans(
    offsets_P2: IntArray, pieces_R: IntArray, row_N: IntArray, start_N: IntArray, end_N: IntArray
) -> tuple[IntArray, IntArray]:
    """Piece spans of many words of many texts at once.

    Args:
        offsets_P2: (P, 2) character ranges of the pieces of all R texts, one after the other.
        pieces_R: number of pieces of each text.
        row_N: text of each word.
        start_N: first character of each word in its text.
        end_N: character after each word's last.

    Returns:
        (N,) begin and (N,) end, counted within the text; -1 for both where there is no span.
    """
    first_R = np.cumsum(pieces_R) - pieces_R
    # Each text gets its own stretch of one number line, so that one search serves all words.
    stride = 1 + max(_largest(offsets_P2), _largest(end_N))
    shift_P = np.repeat(np.arange(len(pieces_R)), pieces_R) * stride
    piece_K = np.flatnonzero(offsets_P2[:, 1] > offsets_P2[:, 0])
    begins_K = offsets_P2[piece_K, 0] + shift_P[piece_K]
    ends_K = offsets_P2[piece_K, 1] + shift_P[piece_K]
    start_N, end_N = start_N + row_N * stride, end_N + row_N * stride
    first_N = np.searchsorted(ends_K, start_N, side="right")
    last_N = np.searchsorted(begins_K, end_N, side="left") - 1
    # Ends of this text's pieces are at most (row + 1) * stride - 1: beyond them lies the next text.
    reach_N = np.searchsorted(ends_K, end_N, side="left")
    row_K = shift_P[piece_K] // stride
    whole_N = (reach_N < len(piece_K)) & (np.append(row_K, -1)[reach_N] == row_N)
    found_N = (first_N <= last_N) & (end_N > start_N) & whole_N
    piece_K = np.append(piece_K, 0)
    begin_N = np.where(found_N, piece_K[first_N] - first_R[row_N], -1)
    end_N = np.where(found_N, piece_K[last_N] + 1 - first_R[row_N], -1)
    return begin_N, end_N


def _largest(values: IntArray) -> int:
    return int(values.max()) if values.size else 0
