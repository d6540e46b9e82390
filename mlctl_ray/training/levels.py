"""The contrastive part of a step: rows gathered over workers, each level's loss, their sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..config import Level, ObjectiveConfig
from ..data.collate import ParallelBatch
from ..objective import LevelLoss, gather_rows, label_loss, pair_loss


def join_groups(batches: Sequence[ParallelBatch], level: Level) -> tuple[Tensor, Tensor]:
    """Content ids of a level's rows on both sides, in the order of the micro-batches.

    The sentence and the multi level compare sentences, the word level compares word forms: equal
    ones are duplicates, not negatives (method.md, section 1.4 e).
    """
    sides: tuple[list[Tensor], list[Tensor]] = ([], [])
    for batch in batches:
        words = batch.words
        if level == "word":
            groups = (words.source_group_N, words.target_group_N)
        elif level == "multi":
            rows = words.pair_N[words.first_N]
            groups = (batch.source_groups_B[rows], batch.target_groups_B[rows])
        else:
            groups = (batch.source_groups_B, batch.target_groups_B)
        for side, ids in zip(sides, groups, strict=True):
            side.append(ids)
    return torch.cat(sides[0]), torch.cat(sides[1])


def level_losses(
    config: ObjectiveConfig,
    levels: Sequence[Level],
    embeddings: Mapping[str, Tensor],
    batches: Sequence[ParallelBatch],
    pair_labels: Tensor | None,
) -> dict[Level, LevelLoss]:
    """Loss of every level over the rows of all workers.

    Args:
        embeddings: this worker's rows by name, micro-batches concatenated.
        batches: this worker's parallel micro-batches, for the content ids.
        pair_labels: labels of the rows of ``label/pair``; None without the label level.
    """
    losses: dict[Level, LevelLoss] = {}
    for level in levels:
        settings = config.level(level)
        groups: tuple[Tensor | None, Tensor | None] = (None, None)
        if config.mask_duplicates:
            ids = join_groups(batches, level)
            groups = (gather_rows(ids[0]), gather_rows(ids[1]))
        losses[level] = pair_loss(
            gather_rows(embeddings[f"{level}/source"]),
            gather_rows(embeddings[f"{level}/target"]),
            temperature=settings.temperature,
            offset=settings.offset,
            same_side=config.same_side_negatives,
            both_directions=config.directions == "both",
            source_groups=groups[0],
            target_groups=groups[1],
        )
    if pair_labels is not None:
        losses["label"] = label_loss(
            gather_rows(embeddings["label/pair"]),
            gather_rows(pair_labels),
            temperature=config.label.temperature,
            offset=config.label.offset,
        )
    return losses


def weighted_sum(config: ObjectiveConfig, losses: Mapping[Level, LevelLoss]) -> Tensor:
    """Sum of weight x loss over the levels."""
    return torch.stack(
        [config.level(level).weight * value.loss for level, value in losses.items()]
    ).sum()
