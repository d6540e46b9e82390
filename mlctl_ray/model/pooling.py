"""Pooling of encoder states into sentence and word vectors (method.md, sections 1.2 and 7).

Shapes: B sentences, L pieces, D width, N word spans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Pooling = Literal["mean", "avg_first_last", "last"]


@dataclass(frozen=True, slots=True)
class EncoderStates:
    """Encoder output: first block, last layer (normed), and the attention mask."""

    first_BLD: Tensor
    last_BLD: Tensor
    mask_BL: Tensor


def pooled_layers(states: EncoderStates, pooling: Pooling) -> Tensor:
    """The (B, L, D) states that are pooled, in at least float32.

    `avg_first_last` is ML-CTL's Avg-first-last. T5's first block leaves an unnormalised residual
    stream whose scale swamps the normed last layer, so it is brought to unit root mean square.
    """
    last_BLD = states.last_BLD.float() if states.last_BLD.dtype.itemsize < 4 else states.last_BLD
    if pooling != "avg_first_last":
        return last_BLD
    first_BLD = states.first_BLD.to(last_BLD.dtype)
    scale = torch.rsqrt(first_BLD.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (first_BLD * scale + last_BLD) / 2


def sentence_vectors(layers_BLD: Tensor, mask_BL: Tensor, pooling: Pooling) -> Tensor:
    """Sentence vectors (B, D): masked mean, or the last piece's state for pooling `last`."""
    if pooling == "last":
        last_B = mask_BL.sum(1).clamp(min=1) - 1
        return layers_BLD[torch.arange(len(last_B), device=last_B.device), last_B]
    mask = mask_BL.unsqueeze(-1).to(layers_BLD.dtype)
    return (layers_BLD * mask).sum(1) / mask.sum(1).clamp(min=1)


def span_vectors(layers_BLD: Tensor, row_N: Tensor, begin_N: Tensor, end_N: Tensor) -> Tensor:
    """Word vectors (N, D): mean over the pieces ``[begin, end)`` of each span's row."""
    positions = torch.arange(layers_BLD.shape[1], device=layers_BLD.device)
    inside_NL = (positions >= begin_N.unsqueeze(1)) & (positions < end_N.unsqueeze(1))
    weights_NL = inside_NL.to(layers_BLD.dtype)
    weights_NL = weights_NL / weights_NL.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("nl,nld->nd", weights_NL, layers_BLD[row_N])
