from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlctl_ray.model import EncoderStates, pooled_layers, sentence_vectors, span_vectors
from mlctl_ray.model.pooling import Pooling

POOLINGS: tuple[Pooling, ...] = ("mean", "avg_first_last", "last")
LENGTHS = (5, 1, 3)


def states(width: int, dtype: torch.dtype = torch.float64) -> EncoderStates:
    """Rows of LENGTHS pieces, padded to `width` with large values that must not matter."""
    generator = torch.Generator().manual_seed(2)
    first, last = (torch.randn(3, 5, 4, generator=generator, dtype=dtype) for _ in range(2))
    mask = torch.zeros(3, width, dtype=torch.int64)
    padded = [torch.full((3, width, 4), 1e4, dtype=dtype) for _ in range(2)]
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
        for target, values in zip(padded, (first * 30, last), strict=True):
            target[row, :length] = values[row, :length]
    return EncoderStates(padded[0], padded[1], mask)


def naive_layer(first: Tensor, last: Tensor, pooling: Pooling) -> Tensor:
    """The state of one piece that is pooled."""
    if pooling != "avg_first_last":
        return last
    return (first / (first.square().mean() + 1e-6).sqrt() + last) / 2


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("width", [5, 8, 40])
def test_sentence_vectors_are_those_of_a_naive_loop(pooling: Pooling, width: int) -> None:
    given = states(width)
    found = sentence_vectors(pooled_layers(given, pooling), given.mask_BL, pooling)
    for row, length in enumerate(LENGTHS):
        pieces = [
            naive_layer(given.first_BLD[row, i], given.last_BLD[row, i], pooling)
            for i in range(length)
        ]
        expected = pieces[-1] if pooling == "last" else sum(pieces[1:], pieces[0]) / length
        torch.testing.assert_close(found[row], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_span_vectors_are_those_of_a_naive_loop(pooling: Pooling) -> None:
    given = states(8)
    layers = pooled_layers(given, pooling)
    spans = [(0, 0, 5), (0, 1, 2), (2, 1, 3), (1, 0, 1), (0, 3, 5)]
    rows, begins, ends = (torch.tensor(column) for column in zip(*spans, strict=True))
    found = span_vectors(layers, rows, begins, ends)
    for vector, (row, begin, end) in zip(found, spans, strict=True):
        torch.testing.assert_close(vector, layers[row, begin:end].mean(0), rtol=1e-9, atol=1e-9)


def test_no_span_gives_no_vector() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert span_vectors(torch.randn(2, 3, 4), none, none, none).shape == (0, 4)


def test_low_precision_states_are_pooled_in_float32() -> None:
    given = states(8, torch.bfloat16)
    for pooling in POOLINGS:
        assert pooled_layers(given, pooling).dtype == torch.float32


def test_the_scale_of_the_first_layer_does_not_matter() -> None:
    given = states(5)
    larger = EncoderStates(given.first_BLD * 100, given.last_BLD, given.mask_BL)
    torch.testing.assert_close(
        pooled_layers(larger, "avg_first_last"),
        pooled_layers(given, "avg_first_last"),
        atol=1e-5,
        rtol=1e-4,
    )
