"""Span corruption: nothing lost, about the asked share of noise, and short rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.data.corruption import IGNORED, CorruptedBatch, collate_corrupted, corrupt_spans
from mlctl_ray.data.ragged import ragged_from_rows
from mlctl_ray.errors import InputError

EOS, PAD = 1, 0
SENTINELS = list(range(900, 1000))

bodies = st.lists(st.integers(2, 899), max_size=80)
rates, means = st.floats(0.01, 0.99), st.floats(0.5, 8)


def _corrupt(
    body: list[int], rate: float, mean: float, seed: int, sentinels: list[int] = SENTINELS
) -> tuple[list[int], list[int]]:
    inputs, targets = corrupt_spans(
        np.array([*body, EOS], dtype=np.uint16),
        rate=rate,
        mean_length=mean,
        sentinels=sentinels,
        eos_id=EOS,
        rng=np.random.default_rng(seed),
    )
    return inputs.tolist(), targets.tolist()


def _spans(targets: list[int]) -> dict[int, list[int]]:
    spans: dict[int, list[int]] = {}
    for piece in targets[:-1]:
        if piece in SENTINELS:
            spans[piece] = []
        else:
            spans[list(spans)[-1]].append(piece)
    return spans


@given(bodies, rates, means, st.integers(0, 2**31))
def test_filling_the_spans_in_gives_the_row_back(
    body: list[int], rate: float, mean: float, seed: int
) -> None:
    inputs, targets = _corrupt(body, rate, mean, seed)
    assert inputs[-1] == targets[-1] == EOS
    spans = _spans(targets)
    assert all(spans.values())
    restored = [p for piece in inputs[:-1] for p in spans.get(piece, [piece])]
    assert restored == body
    used = [piece for piece in inputs if piece in SENTINELS]
    assert used == SENTINELS[: len(used)] == list(spans)


@given(bodies.filter(lambda body: len(body) > 1), rates, means, st.integers(0, 2**31))
def test_share_of_noise_and_number_of_spans(
    body: list[int], rate: float, mean: float, seed: int
) -> None:
    inputs, targets = _corrupt(body, rate, mean, seed)
    spans = _spans(targets)
    noise = sum(map(len, spans.values()))
    assert noise == min(max(round(len(body) * rate), 1), len(body) - 1)
    assert len(spans) == min(max(round(noise / mean), 1), noise, len(body) - noise)
    # T5's layout: the row begins with a kept piece and ends in noise.
    assert inputs[0] == body[0] and inputs[-2] in SENTINELS


def test_t5_defaults_on_a_long_row() -> None:
    inputs, targets = _corrupt(list(range(2, 514)), 0.15, 3.0, 0)
    spans = _spans(targets)
    assert sum(map(len, spans.values())) == 77 and len(spans) == 26
    assert len(inputs) == 512 - 77 + 26 + 1 and len(targets) == 77 + 26 + 1


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_very_short_rows(length: int) -> None:
    body = [5, 6, 7][:length]
    seen = {tuple(map(tuple, _corrupt(body, 0.15, 3.0, seed))) for seed in range(30)}
    if length < 2:
        assert seen == {((*body, EOS), (EOS,))}
    else:
        assert seen == {((*body[:-1], 900, EOS), (900, body[-1], EOS))}


def test_a_row_without_its_end_gets_one() -> None:
    inputs, targets = corrupt_spans(
        np.array([5, 6]), rate=0.5, mean_length=1, sentinels=SENTINELS, eos_id=EOS,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert inputs.tolist() == [5, 900, EOS] and targets.tolist() == [900, 6, EOS]


def test_sentinels_bound_the_number_of_spans() -> None:
    _, targets = _corrupt(list(range(2, 102)), 0.5, 1.0, 0, sentinels=[900, 901])
    assert [piece for piece in targets if piece >= 900] == [900, 901]
    with pytest.raises(InputError, match="extra_id"):
        _corrupt([5, 6], 0.5, 1.0, 0, sentinels=[])


def test_every_cut_is_equally_likely() -> None:
    # 6 pieces, 3 of noise in 2 spans: 2 x 2 ways to cut kept and noise into two parts.
    seen: dict[tuple[int, ...], int] = {}
    rng = np.random.default_rng(0)
    for _ in range(4000):
        inputs, _ = corrupt_spans(
            np.arange(2, 8), rate=0.5, mean_length=1.5, sentinels=SENTINELS, eos_id=EOS, rng=rng
        )
        seen[tuple(inputs.tolist())] = seen.get(tuple(inputs.tolist()), 0) + 1
    assert len(seen) == 4
    # Chi-squared with 3 degrees of freedom exceeds 21.1 with probability 1e-4.
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 21.1


def _collate(rows: list[int], key: tuple[int, ...]) -> CorruptedBatch:
    generator = np.random.default_rng(5)
    texts = [[*generator.integers(2, 900, size).tolist(), EOS] for size in (12, 1, 40)]
    array = ragged_from_rows([*texts, texts[2]])
    return collate_corrupted(
        array,
        np.array(rows, dtype=np.int64),
        PAD,
        rate=0.3,
        mean_length=2.0,
        sentinels=SENTINELS,
        eos_id=EOS,
        rng_key=key,
    )


def _lines(rows: list[int], key: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    batch = _collate(rows, key)
    lines = []
    columns = batch.input_ids_BL, batch.attention_mask_BL, batch.labels_BT
    for ids, mask, labels in zip(*columns, strict=True):
        assert (ids[mask == 0] == PAD).all()
        kept = labels[labels != IGNORED].tolist()
        assert labels[: len(kept)].tolist() == kept
        lines.append((ids[mask == 1].tolist(), kept))
    return lines


def test_batch_depends_on_key_and_row_only() -> None:
    whole = _lines([0, 1, 2, 3], (3, 8, 0))
    assert _lines([3, 2], (3, 8, 0)) == [whole[3], whole[2]]
    assert all(inputs[-1] == EOS == labels[-1] for inputs, labels in whole)
    assert whole[2] != whole[3]  # one text in two rows
    for other in ((3, 9, 0), (4, 8, 0), (3, 8, 1)):
        assert _lines([2], other)[0] != whole[2]
