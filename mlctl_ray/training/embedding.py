"""Micro-batches of a step and their embeddings for each contrastive level.

Names of embeddings: ``<level>/source`` and ``<level>/target`` for the levels on parallel text,
``label/pair`` for NLI pairs followed by their code-switched views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..config import Level
from ..data.collate import NliBatch, ParallelBatch
from ..data.corruption import CorruptedBatch
from ..model import EncoderStates, MlctlModel


@dataclass(frozen=True, slots=True)
class NliMicro:
    """NLI examples; with the label level, their views (V, L') in the same order."""

    batch: NliBatch
    views: tuple[Tensor, Tensor] | None

    @property
    def rows(self) -> int:
        """Encoder inputs."""
        return len(self.batch.labels_B) * (2 if self.views is not None else 1)


@dataclass(frozen=True, slots=True)
class ParallelMicro:
    """Sentence pairs; with denoising, both sides with corrupted spans."""

    batch: ParallelBatch
    corrupted: tuple[CorruptedBatch, ...]

    @property
    def rows(self) -> int:
        """Encoder inputs."""
        return len(self.batch.source_groups_B) * (2 + len(self.corrupted))


Micro = NliMicro | ParallelMicro


@dataclass(frozen=True, slots=True)
class MicroOutput:
    """Embeddings by name, and the sums of the losses that need no other row."""

    embeddings: dict[str, Tensor]
    task: Tensor | None = None
    denoising: Tensor | None = None


def forward_nli(
    model: MlctlModel, micro: NliMicro, pad_id: int, *, losses: bool = True
) -> MicroOutput:
    """One encoder pass over examples and views; the summed task loss and the pair vectors.

    Without `losses` the task is left out; what is embedded draws the same random numbers.
    """
    batch = micro.batch
    if micro.views is None:
        states = model.encode(batch.input_ids_BL, batch.attention_mask_BL)
        return MicroOutput({}, task=_task_loss(model, states, batch.labels_B))
    rows = len(batch.labels_B)
    ids, mask = stack_padded((batch.input_ids_BL, batch.attention_mask_BL), micro.views, pad_id)
    states = model.encode(ids, mask)
    layers = model.layers(states)
    pairs = model.project("label", model.sentences(layers, mask))
    if not losses:
        return MicroOutput({"label/pair": pairs})
    originals = EncoderStates(states.first_BLD[:rows], states.last_BLD[:rows], mask[:rows])
    return MicroOutput({"label/pair": pairs}, task=_task_loss(model, originals, batch.labels_B))


def forward_parallel(
    model: MlctlModel,
    micro: ParallelMicro,
    levels: Sequence[Level],
    pad_id: int,
    *,
    losses: bool = True,
) -> MicroOutput:
    """One encoder pass over both sides; the vectors of each level, and the denoising loss.

    Without `losses` the denoising is left out; what is embedded draws the same random numbers.
    """
    embeddings: dict[str, Tensor] = {}
    if levels:
        embeddings = _pair_embeddings(model, micro.batch, levels, pad_id)
    denoising = None
    if micro.corrupted and losses:
        sides = [
            model.denoising_loss(side.input_ids_BL, side.attention_mask_BL, side.labels_BT)
            for side in micro.corrupted
        ]
        denoising = torch.stack(sides).sum()
    return MicroOutput(embeddings, denoising=denoising)


def _pair_embeddings(
    model: MlctlModel, batch: ParallelBatch, levels: Sequence[Level], pad_id: int
) -> dict[str, Tensor]:
    rows = len(batch.source_groups_B)
    ids, mask = stack_padded(
        (batch.source_ids_BL, batch.source_mask_BL),
        (batch.target_ids_BM, batch.target_mask_BM),
        pad_id,
    )
    layers = model.layers(model.encode(ids, mask))
    sentences = model.sentences(layers, mask)
    sides = {"source": sentences[:rows], "target": sentences[rows:]}
    words = batch.words
    spans = {
        "source": (words.pair_N, words.source_begin_N, words.source_end_N),
        "target": (words.pair_N + rows, words.target_begin_N, words.target_end_N),
    }
    result: dict[str, Tensor] = {}
    for side, vectors in sides.items():
        if "sentence" in levels:
            result[f"sentence/{side}"] = model.project("sentence", vectors)
        if {"word", "multi"} & set(levels):
            word_vectors = model.words(layers, *spans[side])
            if "word" in levels:
                result[f"word/{side}"] = model.project("word", word_vectors)
            if "multi" in levels:
                joined = torch.cat([vectors[words.pair_N], word_vectors], dim=-1)[words.first_N]
                result[f"multi/{side}"] = model.project("multi", joined)
    return result


def _task_loss(model: MlctlModel, states: EncoderStates, labels_B: Tensor) -> Tensor:
    return functional.cross_entropy(model.label_logits(states), labels_B, reduction="sum")


def stack_padded(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], pad_id: int
) -> tuple[Tensor, Tensor]:
    """Two padded (ids, mask) batches as one, padded to the longer length."""
    length = max(first[0].shape[1], second[0].shape[1])
    ids, masks = (
        torch.cat(
            [
                functional.pad(part[i], (0, length - part[i].shape[1]), value=value)
                for part in (first, second)
            ]
        )
        for i, value in ((0, pad_id), (1, 0))
    )
    return ids, masks
