"""Cached alignments equal the rule's own, and are read back without aligning again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl_ray.data import alignment_cache
from mlctl_ray.data.alignment_cache import aligned_pairs
from mlctl_ray.data.examples import ParallelPair
from mlctl_ray.data.lexicon import Lexicon
from mlctl_ray.data.words import align_words

LEXICON = Lexicon("de", {"dog": ("hund",), "house": ("haus", "heim"), "red": ("rot",)})
PAIRS = (
    ParallelPair("The dog sleeps.", "Der Hund schläft.", "de"),
    ParallelPair("Nothing here.", "Nichts hier.", "de"),
    ParallelPair("A red house.", "Das Haus ist rot.", "de"),
)


def test_cached_alignments_are_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [tuple(align_words(p.source, p.target, LEXICON)) for p in PAIRS]
    assert [len(words) for words in expected] == [1, 0, 2]
    assert aligned_pairs(PAIRS, LEXICON, tmp_path) == expected

    def fail(*args: object) -> None:
        raise AssertionError("aligned again")

    monkeypatch.setattr(alignment_cache, "align_words", fail)
    assert aligned_pairs(PAIRS, LEXICON, tmp_path) == expected


def test_another_lexicon_is_another_alignment(tmp_path: Path) -> None:
    aligned_pairs(PAIRS, LEXICON, tmp_path)
    other = Lexicon("de", {"dog": ("hund",)})
    assert [len(words) for words in aligned_pairs(PAIRS, other, tmp_path)] == [1, 0, 0]
