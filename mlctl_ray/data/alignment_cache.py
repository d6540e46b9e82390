"""Lexicon alignments in the content-keyed cache: aligned once a machine, read by every trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from .cache import content_key, open_or_build
from .examples import ParallelPair, Span, WordAlignment
from .lexicon import Lexicon
from .ragged import open_ragged, write_ragged
from .words import align_words

FORMAT = 1
"""Part of every key: a change of the alignment rule or of the files is a new number."""


def aligned_pairs(
    pairs: Sequence[ParallelPair], lexicon: Lexicon, cache_root: Path
) -> list[tuple[WordAlignment, ...]]:
    """The aligned words of each pair of one language, by `align_words`.

    Raises:
        InputError: the cache's folder cannot be used.
    """
    texts = [(pair.source, pair.target) for pair in pairs]
    key = content_key(
        "alignments", FORMAT, json.dumps(texts), json.dumps(sorted(lexicon.translations.items()))
    )

    def build(folder: Path) -> None:
        rows = [
            list(chain.from_iterable(_numbers(word) for word in align_words(*sides, lexicon)))
            for sides in texts
        ]
        write_ragged(folder, "words", rows)

    words = open_ragged(open_or_build(cache_root, key, build), "words")
    numbers, starts = np.asarray(words.values).tolist(), np.asarray(words.starts).tolist()
    return [
        tuple(_word(numbers[i : i + 4]) for i in range(begin, end, 4))
        for begin, end in pairwise(starts)
    ]


def _numbers(word: WordAlignment) -> tuple[int, int, int, int]:
    return word.source.start, word.source.end, word.target.start, word.target.end


def _word(numbers: Sequence[int]) -> WordAlignment:
    source_start, source_end, target_start, target_end = numbers
    return WordAlignment(Span(source_start, source_end), Span(target_start, target_end))
