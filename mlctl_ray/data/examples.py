"""Frozen values that leave the data sources: NLI examples and parallel pairs."""

from __future__ import annotations

from dataclasses import dataclass

LABELS: tuple[str, str, str] = ("entailment", "neutral", "contradiction")
"""Names of the NLI labels 0, 1 and 2, in the order of the XNLI data set."""


@dataclass(frozen=True, slots=True)
class NliExample:
    """One premise-hypothesis pair; the same `example_id` is the same content in every language."""

    example_id: str
    premise: str
    hypothesis: str
    label: int


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open character range ``[start, end)`` in a text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """An aligned word: its span on the source (English) side and on the target side."""

    source: Span
    target: Span


@dataclass(frozen=True, slots=True)
class ParallelPair:
    """A sentence and its translation, with gold word alignments where the corpus has them."""

    source: str
    target: str
    language: str
    alignments: tuple[WordAlignment, ...] = ()
