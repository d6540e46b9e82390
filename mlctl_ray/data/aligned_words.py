"""Aligned words of many pairs as arrays: characters in, piece spans and groups out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from .examples import WordAlignment
from .ragged import IntArray
from .spans import piece_spans
from .tokenizer import Encoded


@dataclass(frozen=True, slots=True)
class SideWords:
    """One side of the aligned words of a list of texts, in the order of the texts.

    `counts` has the number of words of each text; `rows` (N,) is the text of each word and
    `spans` (N, 2) its first character and the one after its last.
    """

    counts: IntArray
    rows: IntArray
    spans: IntArray

    def of_texts(self, begin: int, end: int) -> SideWords:
        """The words of the texts ``[begin, end)``, counted from `begin`."""
        low, high = np.searchsorted(self.rows, [begin, end])
        return SideWords(self.counts[begin:end], self.rows[low:high] - begin, self.spans[low:high])

    def pieces(self, encoded: Sequence[Encoded]) -> IntArray:
        """(N, 2) begin and end piece of each word in its text; -1 without a span (`spans`)."""
        lengths = np.fromiter((len(text.offsets) for text in encoded), np.int64, len(encoded))
        numbers = chain.from_iterable(chain.from_iterable(text.offsets for text in encoded))
        offsets = np.fromiter(numbers, np.int64, 2 * int(lengths.sum())).reshape(-1, 2)
        found = piece_spans(offsets, lengths, self.rows, self.spans[:, 0], self.spans[:, 1])
        return np.stack(found, axis=1)

    def forms(self, texts: Sequence[str]) -> Iterator[str]:
        """The case-folded characters of each word."""
        for row, (start, end) in zip(self.rows.tolist(), self.spans.tolist(), strict=True):
            yield texts[row][start:end].casefold()


def both_sides(alignments: Sequence[tuple[WordAlignment, ...]]) -> tuple[SideWords, SideWords]:
    """Source and target side of the aligned words of each pair."""
    counts = np.fromiter(map(len, alignments), np.int64, len(alignments))
    rows = np.repeat(np.arange(len(alignments)), counts)
    words = list(chain.from_iterable(alignments))
    sides = (
        [(word.source.start, word.source.end) for word in words],
        [(word.target.start, word.target.end) for word in words],
    )
    source, target = (np.array(side, dtype=np.int64).reshape(-1, 2) for side in sides)
    return SideWords(counts, rows, source), SideWords(counts, rows, target)


def sentence_groups(texts: Sequence[str]) -> IntArray:
    """(N,) hashes, equal for texts that differ at most in case and white space."""
    return _groups([" ".join(text.casefold().split()) for text in texts])


def word_groups(words: SideWords, texts: Sequence[str], qualifiers: Sequence[str]) -> IntArray:
    """(N,) hashes, equal for words of equal case-folded form whose texts' qualifiers are equal."""
    forms = zip(words.rows.tolist(), words.forms(texts), strict=True)
    return _groups([f"{qualifiers[row]}\t{form}" for row, form in forms])


def _groups(texts: list[str]) -> IntArray:
    """64-bit hashes: the chance that two different texts share one is negligible."""
    known = {text: _hash(text) for text in set(texts)}
    return np.fromiter((known[text] for text in texts), np.int64, len(texts))


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)
