"""Tokenised tables: what they hold, when they are built again, and aligned words in pieces."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.data import tables
from mlctl_ray.data.examples import NliExample, ParallelPair, Span, WordAlignment
from mlctl_ray.data.ragged import open_ragged, ragged_from_rows, write_ragged
from mlctl_ray.data.spans import piece_span
from mlctl_ray.data.tables import (
    NliTable,
    ParallelTable,
    build_nli_table,
    build_parallel_table,
)
from mlctl_ray.data.tokenizer import TextTokenizer, train_unigram
from mlctl_ray.errors import InputError

EXAMPLES = [
    NliExample("a-1", "The horse is in the harbour.", "There is a horse.", 0),
    NliExample("a-2", "The farmer sold seven horses.", "The farmer is rich.", 1),
    NliExample("ünï-3", "Nobody slept.", "Somebody slept.", 2),
]
PAIRS = [
    ("The horse sleeps.", "El caballo duerme.", "es", [("horse", "caballo"), ("sleeps", "duerme")]),
    ("The harbour is old.", "Der Hafen ist alt.", "de", [("harbour", "Hafen"), ("old", "alt")]),
    ("the  HORSE sleeps. ", "Das Pferd schläft.", "de", [("HORSE", "Pferd")]),
    ("Seven farmers.", "七个农民。", "zh", [("Seven", "七个"), ("farmers", "农民")]),
    ("Nobody knows.", "Nadie lo sabe.", "es", []),
]
EOS = 1


def prompt(premise: str, hypothesis: str) -> str:
    return f"Premise: {premise}\n\nHypothesis: {hypothesis}"


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    texts = [prompt(e.premise, e.hypothesis) for e in EXAMPLES]
    texts += [text for pair in PAIRS for text in pair[:2]]
    return train_unigram(texts * 3, vocabulary=260)


def _alignment(source: str, target: str, words: list[tuple[str, str]]) -> tuple[WordAlignment, ...]:
    def span(text: str, word: str) -> Span:
        return Span(text.index(word), text.index(word) + len(word))

    return tuple(WordAlignment(span(source, s), span(target, t)) for s, t in words)


def _parallel(
    tokenizer: TextTokenizer, root: Path, max_length: int = 64
) -> tuple[ParallelTable, list[ParallelPair]]:
    pairs = [ParallelPair(s, t, lang, _alignment(s, t, words)) for s, t, lang, words in PAIRS]
    alignments = [pair.alignments for pair in pairs]
    return build_parallel_table(pairs, alignments, tokenizer, max_length, root), pairs


rows_of = st.lists(st.lists(st.integers(0, 70000), max_size=6), max_size=8)


@given(rows_of)
def test_ragged_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("ragged")
    write_ragged(folder, "x", rows)
    for array in (open_ragged(folder, "x"), ragged_from_rows(rows)):
        assert len(array) == len(rows)
        assert [array.row(i).tolist() for i in range(len(rows))] == rows
        assert array.lengths.tolist() == [len(row) for row in rows]
        order = np.array(list(reversed(range(len(rows)))), dtype=np.int64)
        values, lengths = array.gather(order)
        assert values.tolist() == [value for row in rows[::-1] for value in row]
        assert lengths.tolist() == [len(row) for row in rows[::-1]]


@pytest.mark.parametrize(
    ("largest", "kind"),
    [
        (65535, np.uint16),
        (65536, np.int32),
        (-1, np.int32),
        (2**31, np.int64),
        (-(2**63), np.int64),
    ],
)
def test_ragged_values_take_the_smallest_type(tmp_path: Path, largest: int, kind: type) -> None:
    write_ragged(tmp_path, "x", [[0, largest], [1]])
    array = open_ragged(tmp_path, "x")
    assert array.values.dtype == kind and array.row(0).tolist() == [0, largest]
    assert not array.values.flags.writeable
    assert isinstance(array.values.base, np.memmap)


def test_nli_table_holds_the_encoded_prompts(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    table = build_nli_table(EXAMPLES, tokenizer, prompt, 64, tmp_path)
    texts = [prompt(e.premise, e.hypothesis) for e in EXAMPLES]
    expected = tokenizer.hf(texts, add_special_tokens=False)["input_ids"]
    assert [table.ids.row(i).tolist() for i in range(3)] == [[*ids, EOS] for ids in expected]
    assert table.labels.tolist() == [0, 1, 2]
    assert table.example_ids.tolist() == ["a-1", "a-2", "ünï-3"]
    assert table.lengths.tolist() == [len(ids) + 1 for ids in expected]
    assert len(table) == 3 and table.ids.values.dtype == np.uint16


def test_nli_table_is_cut_at_the_length(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    table = build_nli_table(EXAMPLES, tokenizer, prompt, 8, tmp_path)
    assert table.lengths.tolist() == [8, 8, 8]
    assert all(table.ids.row(i)[-1] == EOS for i in range(3))


def test_nli_table_is_tokenised_once_for_each_content(
    tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    encode = TextTokenizer.encode

    def counted(self: TextTokenizer, texts: list[str], max_length: int) -> object:
        calls.append(len(texts))
        return encode(self, texts, max_length)

    monkeypatch.setattr(TextTokenizer, "encode", counted)

    def build(examples: list[NliExample] = EXAMPLES, length: int = 64, **other: object) -> NliTable:
        used = {"tokenizer": tokenizer, "prompt": prompt} | other
        return build_nli_table(
            examples,
            used["tokenizer"],  # type: ignore[arg-type]
            used["prompt"],  # type: ignore[arg-type]
            length,
            tmp_path,
        )

    first, second = build(), build(list(EXAMPLES))
    assert calls == [3]
    np.testing.assert_array_equal(first.ids.values, second.ids.values)
    relabelled = [replace(EXAMPLES[0], label=2), *EXAMPLES[1:]]
    assert build(relabelled).labels.tolist() == [2, 1, 2]
    renamed = [replace(EXAMPLES[0], example_id="b"), *EXAMPLES[1:]]
    assert build(renamed).example_ids[0] == "b"
    build(length=32)
    build([replace(EXAMPLES[0], premise="The horse."), *EXAMPLES[1:]])
    build(prompt=lambda premise, hypothesis: f"{premise} {hypothesis}")
    build(tokenizer=train_unigram(["The horse is in the harbour."] * 9, vocabulary=60))
    assert len(calls) == 7 == len(list(tmp_path.iterdir()))


def test_tables_do_not_depend_on_the_chunks(
    tokenizer: TextTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = _parallel(tokenizer, tmp_path / "whole")
    monkeypatch.setattr(tables, "CHUNK", 2)
    cut, _ = _parallel(tokenizer, tmp_path / "cut")
    for name in ("source_ids", "target_ids", "words"):
        first, second = getattr(whole, name), getattr(cut, name)
        np.testing.assert_array_equal(first.values, second.values)
        np.testing.assert_array_equal(first.starts, second.starts)


def test_empty_tables(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    nli = build_nli_table([], tokenizer, prompt, 64, tmp_path)
    assert len(nli) == 0 == len(nli.lengths) == len(nli.labels) == len(nli.example_ids)
    parallel = build_parallel_table([], [], tokenizer, 64, tmp_path)
    assert len(parallel) == 0 == len(parallel.lengths) == len(parallel.source_groups)


def test_parallel_table_holds_both_sides(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    table, pairs = _parallel(tokenizer, tmp_path)
    for side, ids in (("source", table.source_ids), ("target", table.target_ids)):
        texts = [getattr(pair, side) for pair in pairs]
        expected = [encoded.ids for encoded in tokenizer.encode(texts, 64)]
        assert [ids.row(i).tolist() for i in range(len(pairs))] == expected
    assert table.language_names == ("de", "es", "zh")
    assert table.languages.tolist() == [1, 0, 0, 2, 1]
    longer = [max(len(table.source_ids.row(i)), len(table.target_ids.row(i))) for i in range(5)]
    assert table.lengths.tolist() == longer and len(table) == 5


def test_words_are_the_pieces_of_their_characters(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    table, pairs = _parallel(tokenizer, tmp_path)
    for row, pair in enumerate(pairs):
        words = table.words.row(row).reshape(-1, 6)
        assert len(words) == len(pair.alignments)
        [source] = tokenizer.encode([pair.source], 64)
        [target] = tokenizer.encode([pair.target], 64)
        for numbers, word in zip(words.tolist(), pair.alignments, strict=True):
            assert tuple(numbers[:2]) == piece_span(source.offsets, word.source)
            assert tuple(numbers[2:4]) == piece_span(target.offsets, word.target)
            text = tokenizer.hf.decode(target.ids[numbers[2] : numbers[3]])
            assert pair.target[word.target.start : word.target.end] in text


def test_words_that_truncation_takes_from_either_side_are_left_out(
    tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    whole, pairs = _parallel(tokenizer, tmp_path)
    spans = [whole.words.row(row).reshape(-1, 6)[:, [1, 3]] for row in range(len(pairs))]
    for length in (2, 4, 6, 9):
        table, _ = _parallel(tokenizer, tmp_path, max_length=length)
        counts = (table.words.lengths // 6).tolist()
        assert counts == [int((ends.max(axis=1) <= length - 1).sum()) for ends in spans]
        assert table.lengths.max() <= length


def test_groups_mark_equal_sentences_and_words(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    table, _ = _parallel(tokenizer, tmp_path)
    assert table.source_groups.dtype == np.int64
    assert table.source_groups[0] == table.source_groups[2]
    assert len(set(table.source_groups.tolist())) == 4
    assert len(set(table.target_groups.tolist())) == 5
    words = [table.words.row(row).reshape(-1, 6) for row in range(5)]
    assert words[0][0, 4] == words[2][0, 4]  # horse, HORSE
    every = np.concatenate(words)
    assert len(set(every[:, 4].tolist())) == len(every) - 1
    assert len(set(every[:, 5].tolist())) == len(every)


def test_the_same_form_in_two_languages_is_two_target_words(
    tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    word = (WordAlignment(Span(0, 5), Span(0, 5)),)
    pairs = [ParallelPair("horse", "horse", language) for language in ("de", "es", "de")]
    table = build_parallel_table(pairs, [word] * 3, tokenizer, 16, tmp_path)
    numbers = table.words.values.reshape(3, 6)
    assert len(set(numbers[:, 4].tolist())) == 1
    assert numbers[0, 5] == numbers[2, 5] != numbers[1, 5]
    assert len(set(table.target_groups.tolist())) == 1


def test_another_alignment_is_another_table(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    pair = ParallelPair("The horse sleeps.", "El caballo duerme.", "es")
    horse, sleeps = (Span(4, 9), Span(3, 10)), (Span(10, 16), Span(11, 17))
    words = [WordAlignment(s[0], t[1]) for s in (horse, sleeps) for t in (horse, sleeps)]
    choices = [[(word,), ()] for word in words] + [[(), (word,)] for word in words]
    found = [
        build_parallel_table([pair, pair], choice, tokenizer, 32, tmp_path).words
        for choice in choices
    ]
    assert len({(w.starts.tobytes(), w.values.tobytes()) for w in found}) == 8


def test_one_alignment_a_pair_is_needed(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    pair = ParallelPair("a", "b", "es")
    with pytest.raises(InputError, match=re.escape("alignments: 2 for 1 pairs")):
        build_parallel_table([pair], [(), ()], tokenizer, 32, tmp_path)
