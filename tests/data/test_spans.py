"""Piece spans of words, against a direct reading of the rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.data.examples import Span
from mlctl_ray.data.spans import piece_span, piece_spans
from mlctl_ray.data.tokenizer import TextTokenizer, train_unigram

TEXTS = [
    "The old farmer sold seven horses near the harbour.",
    "El viejo granjero vendió siete caballos cerca del puerto.",
    "老农民在港口附近卖了七匹马。",
]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_unigram(TEXTS * 3, vocabulary=200)


@st.composite
def encoded_texts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Offsets in text order, with gaps, shared characters and pieces without characters."""
    offsets: list[tuple[int, int]] = []
    begin = end = 0
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.integers(0, 4)) == 0:
            offsets.append((end, end) if draw(st.booleans()) else (0, 0))
            continue
        begin = max(begin, end + draw(st.integers(-1, 2)))
        end = max(end, begin + draw(st.integers(1, 4)))
        offsets.append((begin, end))
    return offsets


def rule(offsets: list[tuple[int, int]], span: Span) -> tuple[int, int] | None:
    """Every piece that shares a character, if the pieces reach to the word's end."""
    hits = [
        index
        for index, (begin, end) in enumerate(offsets)
        if set(range(begin, end)) & set(range(span.start, span.end))
    ]
    reach = max((end for begin, end in offsets if end > begin), default=0)
    return (hits[0], hits[-1] + 1) if hits and span.end <= reach else None


spans = st.tuples(st.integers(0, 25), st.integers(0, 8)).map(lambda p: Span(p[0], p[0] + p[1]))


@given(encoded_texts(), spans)
def test_one_span_follows_the_rule(offsets: list[tuple[int, int]], span: Span) -> None:
    assert piece_span(offsets, span) == rule(offsets, span)


@given(st.lists(st.tuples(encoded_texts(), st.lists(spans, max_size=4)), max_size=5))
def test_many_texts_at_once_are_the_single_spans(
    texts: list[tuple[list[tuple[int, int]], list[Span]]],
) -> None:
    flat = np.array([o for offsets, _ in texts for o in offsets], dtype=np.int64).reshape(-1, 2)
    rows = [(row, word) for row, (_, words) in enumerate(texts) for word in words]
    begin, end = piece_spans(
        flat,
        np.array([len(offsets) for offsets, _ in texts], dtype=np.int64),
        np.array([row for row, _ in rows], dtype=np.int64),
        np.array([word.start for _, word in rows], dtype=np.int64),
        np.array([word.end for _, word in rows], dtype=np.int64),
    )
    expected = [rule(texts[row][0], word) or (-1, -1) for row, word in rows]
    assert list(zip(begin.tolist(), end.tolist(), strict=True)) == expected


@pytest.mark.parametrize("text", TEXTS)
def test_real_pieces_spell_the_word(tokenizer: TextTokenizer, text: str) -> None:
    [encoded] = tokenizer.encode([text], 128)
    words = text.strip(".。").split()
    at = 0
    for word in words:
        at = text.index(word, at)
        span = piece_span(encoded.offsets, Span(at, at + len(word)))
        assert span is not None
        pieces = tokenizer.hf.decode(encoded.ids[span[0] : span[1]])
        assert word in pieces
        at += len(word)


def test_glued_characters_count_for_each_word() -> None:
    offsets = [(0, 1), (1, 4), (4, 4)]
    assert piece_span(offsets, Span(1, 2)) == (1, 2) == piece_span(offsets, Span(2, 4))
    assert piece_span(offsets, Span(0, 2)) == (0, 2)


def test_a_word_that_truncation_cuts_has_no_span(tokenizer: TextTokenizer) -> None:
    text = TEXTS[1]
    [whole] = tokenizer.encode([text], 128)
    word = Span(text.index("granjero"), text.index("granjero") + len("granjero"))
    begin, end = piece_span(whole.offsets, word) or (0, 0)
    assert end > begin
    for kept in range(1, len(whole.ids) + 1):
        [cut] = tokenizer.encode([text], kept)
        expected = (begin, end) if kept - 1 >= end else None
        assert piece_span(cut.offsets, word) == expected
