"""Padded batches, and the draw of words that depends on (seed, step, row) alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.data.batching import padded_length
from mlctl_ray.data.collate import ParallelBatch, collate_nli, collate_parallel
from mlctl_ray.data.padding import pad_texts
from mlctl_ray.data.ragged import ragged_from_rows
from mlctl_ray.data.tables import NliTable, ParallelTable
from mlctl_ray.data.tokenizer import Encoded

PAD = 9
COUNTS = [3, 0, 1, 5, 2, 0, 4]
"""Aligned words of each pair of `TABLE`."""


def _table() -> ParallelTable:
    rng = np.random.default_rng(0)

    def sentences() -> list[list[int]]:
        return [rng.integers(10, 90, rng.integers(2, 30)).tolist() for _ in COUNTS]

    # The six numbers of word w of pair r are 100 r + 10 w + (0..5), so a draw shows its origin.
    words = [
        [100 * row + 10 * word + field for word in range(count) for field in range(6)]
        for row, count in enumerate(COUNTS)
    ]
    numbers = np.arange(len(COUNTS))
    return ParallelTable(
        source_ids=ragged_from_rows(sentences()),
        target_ids=ragged_from_rows(sentences()),
        words=ragged_from_rows(words),
        source_groups=numbers + 1000,
        target_groups=numbers - 1000,
        languages=numbers % 2,
        language_names=("de", "es"),
    )


TABLE = _table()


def _collate(rows: list[int], k: int = 2, key: tuple[int, int] = (0, 0)) -> ParallelBatch:
    return collate_parallel(TABLE, np.array(rows), PAD, words_per_pair=k, rng_key=key)


def _drawn(batch: ParallelBatch, rows: list[int]) -> dict[int, list[int]]:
    """Words drawn from each row, as the numbers of the words in the row, first word first."""
    origin = batch.words.pair_N.tolist(), batch.words.source_begin_N.tolist()
    result: dict[int, list[int]] = {row: [] for row in rows}
    for pair, begin in zip(*origin, strict=True):
        assert begin // 100 == rows[pair]
        result[rows[pair]].append(begin % 100 // 10)
    return result


rows_of = st.lists(st.integers(0, len(COUNTS) - 1), unique=True, min_size=1)
keys_of = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 10**6))


@given(st.lists(st.lists(st.integers(0, 60000), max_size=90), min_size=1, max_size=6))
def test_padding_keeps_the_rows_and_masks_the_rest(rows: list[list[int]]) -> None:
    ids, mask = pad_texts([np.array(row, dtype=np.uint16) for row in rows], PAD)
    width = padded_length(max(len(row) for row in rows))
    assert ids.shape == mask.shape == (len(rows), width)
    assert ids.dtype == mask.dtype == torch.int64
    assert ids.tolist() == [row + [PAD] * (width - len(row)) for row in rows]
    assert mask.tolist() == [[1] * len(row) + [0] * (width - len(row)) for row in rows]


def test_encoded_texts_are_padded_too() -> None:
    texts = [Encoded([5, 1], [(0, 1), (1, 1)]), Encoded([1], [(0, 0)])]
    ids, mask = pad_texts(texts, PAD)
    assert ids.tolist() == [[5, 1] + [PAD] * 6, [1] + [PAD] * 7]
    assert mask.sum(1).tolist() == [2, 1]


def test_nli_batch() -> None:
    ids = [[5, 6, 1], [7, 1], [8] * 9 + [1]]
    table = NliTable(ragged_from_rows(ids), np.array([2, 0, 1]), np.array(["a", "b", "c"]))
    batch = collate_nli(table, np.array([2, 0]), PAD)
    assert batch.input_ids_BL.tolist() == [ids[2] + [PAD] * 6, ids[0] + [PAD] * 13]
    assert batch.attention_mask_BL.sum(1).tolist() == [10, 3]
    assert batch.labels_B.tolist() == [1, 2] and batch.labels_B.dtype == torch.int64
    assert batch.rows.tolist() == [2, 0]


@given(rows_of)
def test_parallel_batch_pads_each_side_on_its_own(rows: list[int]) -> None:
    batch = _collate(rows)
    for ids, mask, array in (
        (batch.source_ids_BL, batch.source_mask_BL, TABLE.source_ids),
        (batch.target_ids_BM, batch.target_mask_BM, TABLE.target_ids),
    ):
        assert ids.shape == (len(rows), padded_length(int(array.lengths[rows].max())))
        for line, kept, row in zip(ids, mask.bool(), rows, strict=True):
            assert line[kept].tolist() == array.row(row).tolist()
            assert (line[~kept] == PAD).all()
    assert batch.source_groups_B.tolist() == [row + 1000 for row in rows]
    assert batch.target_groups_B.tolist() == [row - 1000 for row in rows]


@given(rows_of, st.integers(1, 6), keys_of)
def test_words_are_drawn_without_replacement_and_one_is_first(
    rows: list[int], k: int, key: tuple[int, int]
) -> None:
    batch = _collate(rows, k, key)
    words = batch.words
    drawn = _drawn(batch, rows)
    for row, chosen in drawn.items():
        assert len(chosen) == len(set(chosen)) == min(k, COUNTS[row])
        assert all(word < COUNTS[row] for word in chosen)
    for number, name in enumerate(
        ("source_begin", "source_end", "target_begin", "target_end", "source_group", "target_group")
    ):
        column = getattr(words, f"{name}_N")
        assert column.tolist() == (words.source_begin_N + number).tolist()
    assert words.pair_N.tolist() == sorted(words.pair_N.tolist())
    with_words = [index for index, row in enumerate(rows) if COUNTS[row]]
    assert words.pair_N[words.first_N].tolist() == with_words


@given(rows_of, st.integers(1, 3), keys_of, st.data())
def test_the_draw_does_not_depend_on_the_cut(
    rows: list[int], k: int, key: tuple[int, int], data: st.DataObject
) -> None:
    whole = _drawn(_collate(rows, k, key), rows)
    order = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    parts: dict[int, list[int]] = {}
    for part in (order[:cut], order[cut:]):
        if part:
            parts |= _drawn(_collate(part, k, key), part)
    assert parts == whole


def test_the_first_word_is_the_same_whatever_the_number_of_words() -> None:
    rows = list(range(len(COUNTS)))
    for step in range(20):
        one, three = (_collate(rows, k, (3, step)).words for k in (1, 3))
        assert one.first_N.all()
        assert one.source_begin_N.tolist() == three.source_begin_N[three.first_N].tolist()


@pytest.mark.parametrize("vary", ["step", "seed"])
def test_every_order_of_words_is_equally_likely(vary: str) -> None:
    trials = 3000
    seen: Counter[tuple[int, ...]] = Counter()
    for number in range(trials):
        key = (7, number) if vary == "step" else (number, 7)
        seen[tuple(_drawn(_collate([0], 3, key), [0])[0])] += 1
    assert len(seen) == 6
    # Chi-squared with 5 degrees of freedom exceeds 25.7 with probability 1e-4.
    assert sum((count - 500) ** 2 / 500 for count in seen.values()) < 25.7


def test_pairs_draw_independently() -> None:
    same = 0
    for step in range(2000):
        drawn = _drawn(_collate([0, 4, 6], 1, (0, step)), [0, 4, 6])
        same += drawn[0][0] % 2 == drawn[6][0] % 2
    # P(equal parity) = 2/3 * 1/2 + 1/3 * 1/2 = 1/2; five standard deviations are 112.
    assert abs(same - 1000) < 112


def test_a_batch_without_words() -> None:
    words = _collate([1, 5]).words
    assert all(getattr(words, name).shape == (0,) for name in words.__dataclass_fields__)
    assert words.first_N.dtype == torch.bool and words.pair_N.dtype == torch.int64


def test_to_moves_nested_tensors_and_keeps_the_rest() -> None:
    batch = _collate([0, 3]).to("meta")
    tensors = [value for value in _values(batch) if isinstance(value, torch.Tensor)]
    assert len(tensors) == 6 and all(value.device.type == "meta" for value in tensors)
    assert all(value.device.type == "meta" for value in _values(batch.words))
    table = NliTable(ragged_from_rows([[5, 1]]), np.array([2]), np.array(["a"]))
    nli = collate_nli(table, np.array([0]), PAD).to("meta")
    assert nli.labels_B.device.type == "meta" and nli.rows.tolist() == [0]


def _values(batch: object) -> list[torch.Tensor]:
    return [getattr(batch, name) for name in batch.__dataclass_fields__]  # type: ignore[attr-defined]
