"""Candidate pieces for the Unigram trainer, counted over the corpus.

SentencePiece takes its candidates from the set of different words: a word that is no part of
another one is no candidate, however often it occurs, so that a corpus of few words is cut into
letters. Here substrings are counted as often as they occur. The work is bounded: the most frequent
words first, then, for scripts without spaces, long stretches of text in a fixed random order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from zlib import crc32

MARKER = "▁"
"""What SentencePiece puts in place of a space."""
LONGEST_PIECE = 16
"""Characters of the longest piece, as SentencePiece has it."""
LONGEST_WORD = 24
"""A longer stretch without spaces is taken as text of a script that writes none."""
LONGEST_UNSPACED = 8
"""Characters of the longest piece taken from such a stretch."""
WORK = 2_000_000
"""Substrings counted in each of the two passes."""
MOST = 1_000_000
"""Candidates, as SentencePiece has it."""


def seed_pieces(lines: Iterable[str]) -> list[tuple[str, int]]:
    """Candidate pieces with their counts, the ones that cover most characters first.

    The same lines in any order give the same list.
    """
    words = Counter(word for line in lines for word in line.split())
    spaced = sorted(
        ((word, count) for word, count in words.items() if len(word) <= LONGEST_WORD),
        key=lambda entry: (-entry[1], entry[0]),
    )
    unspaced = sorted(
        ((word, count) for word, count in words.items() if len(word) > LONGEST_WORD),
        key=lambda entry: (crc32(entry[0].encode()), entry[0]),
    )
    counts: Counter[str] = Counter()
    for entries, longest in ((spaced, LONGEST_PIECE), (unspaced, LONGEST_UNSPACED)):
        work = 0
        for word, count in entries:
            for piece in _substrings(MARKER + word, longest):
                counts[piece] += count
                work += 1
            if work >= WORK:
                break
    found = [(piece, count) for piece, count in counts.items() if count > 1 or len(piece) == 1]
    return sorted(found, key=lambda entry: (-entry[1] * len(entry[0]), entry[0]))[:MOST]


def _substrings(text: str, longest: int) -> Iterator[str]:
    for begin in range(len(text)):
        for end in range(begin + 1, min(len(text), begin + longest) + 1):
            yield text[begin:end]
