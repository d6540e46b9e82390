"""Finding words in running text, with their character spans.

Two rules, chosen by the script of each character:

- Scripts with word boundaries: a word is a maximal run of letters and combining marks; an
  apostrophe or a zero-width joiner between two letters belongs to it. Digits, hyphens and all
  other punctuation end a word. An entry of several words matches such words that only white space
  parts.
- Scripts without (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar): there is no word without a
  word list. An entry may match at any character position, left to right, the longest first
  (forward maximum matching); a match never parts a letter from its combining marks, and characters
  that no entry covers are no word. Entries that mix both kinds of script are never found.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from .examples import Span

_UNSPACED_RANGES: tuple[tuple[int, int], ...] = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x19E0, 0x19FF),  # Khmer symbols
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),  # Han iteration mark and zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3031, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar extended B
    (0xAA60, 0xAA7F),  # Myanmar extended A
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # Katakana, half width
    (0x1AFF0, 0x1B16F),  # Kana supplements
    (0x20000, 0x323AF),  # Han extensions B to H
)
_STARTS = tuple(start for start, _ in _UNSPACED_RANGES)
_INSIDE_WORDS = frozenset("'’\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its case-folded form and where it stands."""

    form: str
    span: Span


@dataclass(frozen=True, slots=True)
class Entries:
    """A word list to find in text: a membership test on folded forms, and its longest entries."""

    contains: Callable[[str], bool]
    characters: int
    """Characters of the longest entry."""
    words: int
    """Words of the entry with most words."""


def fold(text: str) -> str:
    """Case-folded, composed (NFC) form, with single spaces, under which words are compared."""
    folded = " ".join(text.casefold().split())
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def entries_of(forms: Collection[str]) -> Entries:
    """Return the word list of folded `forms`; a dictionary or a set keeps the test fast."""
    return Entries(
        forms.__contains__,
        max(map(len, forms), default=0),
        max((form.count(" ") + 1 for form in forms), default=1),
    )


def find_words(text: str, entries: Entries) -> tuple[Word, ...]:
    """Return the words of `text` from left to right, none overlapping another.

    Where the script has word boundaries every word is returned, whether an entry or not; where it
    has none only entries are.
    """
    found: list[Word] = []
    spaced: list[Word] = []
    for start, end, has_boundaries in _runs(text):
        if has_boundaries:
            spaced.append(Word(fold(text[start:end]), Span(start, end)))
        else:
            found.extend(_match_longest(text, start, end, entries))
    found.extend(spaced if entries.words == 1 else _join_phrases(text, spaced, entries))
    return tuple(sorted(found, key=lambda word: word.span.start))


@cache
def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


@cache
def _kind(character: str) -> bool | None:
    """True for a letter of a script with word boundaries, False of one without, else None."""
    if character.isascii():
        return True if character.isalpha() else None
    category = unicodedata.category(character)
    if category[0] not in "LM" and category != "Nl":
        return None
    code = ord(character)
    position = bisect_right(_STARTS, code) - 1
    return position < 0 or code > _UNSPACED_RANGES[position][1]


def _runs(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the maximal runs of letters of one kind as ``(start, end, has boundaries)``."""
    kinds = [_kind(character) for character in text]
    for position in range(1, len(text) - 1):
        if text[position] in _INSIDE_WORDS and kinds[position - 1] and kinds[position + 1]:
            kinds[position] = True
    start = 0
    for position in range(1, len(text) + 1):
        if position == len(text) or kinds[position] is not kinds[start]:
            kind = kinds[start]
            if kind is not None:
                yield start, position, kind
            start = position


def _match_longest(text: str, start: int, end: int, entries: Entries) -> Iterator[Word]:
    origin, folded = start, fold(text[start:end])
    same_length = len(folded) == end - start
    while start < end:
        for stop in range(min(end, start + entries.characters), start, -1):
            # Folding leaves almost all of these scripts as they are: fold once, not at each try.
            form = folded[start - origin : stop - origin] if same_length else fold(text[start:stop])
            if entries.contains(form) and not (stop < len(text) and _is_mark(text[stop])):
                yield Word(form, Span(start, stop))
                start = stop
                break
        else:
            start += 1
            while start < end and _is_mark(text[start]):
                start += 1


def _join_phrases(text: str, words: list[Word], entries: Entries) -> Iterator[Word]:
    first = 0
    while first < len(words):
        last = first + 1
        for stop in range(min(len(words), first + entries.words), first + 1, -1):
            form = " ".join(word.form for word in words[first:stop])
            if entries.contains(form) and _only_space_between(text, words[first:stop]):
                last = stop
                break
        form = " ".join(word.form for word in words[first:last])
        yield Word(form, Span(words[first].span.start, words[last - 1].span.end))
        first = last


def _only_space_between(text: str, words: list[Word]) -> bool:
    return all(text[a.span.end : b.span.start].isspace() for a, b in pairwise(words))
