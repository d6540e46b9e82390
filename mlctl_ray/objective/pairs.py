"""Contrastive loss of aligned pairs: sentence level, word level and the multi-level vector."""

from __future__ import annotations

import torch
from torch import Tensor

from mlctl_ray.errors import InputError
from mlctl_ray.objective.level import LevelLoss, masked_logsumexp, masked_mean, unit_rows, widen
from mlctl_ray.objective.offset import check_offset, check_temperature, offset_nce


def pair_loss(
    anchors: Tensor,
    positives: Tensor,
    *,
    temperature: float,
    offset: float,
    same_side: bool = True,
    both_directions: bool = True,
    source_groups: Tensor | None = None,
    target_groups: Tensor | None = None,
) -> LevelLoss:
    """Pull the two sides of a pair together and push other pairs away.

    Anchor ``q_i`` has the positive ``k_i`` and, as negatives, every ``k_j`` and (with
    ``same_side``) every ``q_j`` with ``j != i``: the 2B - 2 negatives of ML-CTL
    (arXiv 2202.13083; docs/method.md, section 1.3). The similarity is the cosine divided by
    the temperature and each anchor's loss is :func:`offset_nce`. So ``offset=inf``,
    ``both_directions=False`` is CZ-NCE as published (= DCL on cross-lingual pairs),
    ``offset=0`` is its InfoNCE baseline, and ``offset=0, same_side=False`` is in-batch
    softmax cross-entropy (SimCSE, multiple negatives ranking).

    Pairs that share their source or their target are translations of each other, not
    negatives: pair j is masked out for anchor i, on both sides, if the two have the same source
    group or the same target group (docs/method.md, section 1.4 e). An anchor with no negative
    left is left out of the mean.

    The similarities are computed in at least float32 whatever the autocast and the input dtype;
    the values are finite for temperatures down to 0.005. Values are not comparable between
    temperatures, batch sizes or offsets.

    Args:
        anchors: (B, D) floating-point representations of the source side; B may be 0.
        positives: (B, D) representations of the target side, row i aligned with anchor i.
        temperature: above 0.
        offset: in [0, inf], see :func:`offset_nce`.
        same_side: also use the other anchors of the same side as negatives.
        both_directions: average with the loss in which the sides are exchanged.
        source_groups: (B,) int64, equal ids mark equal content of the source side.
        target_groups: (B,) int64, the same for the target side.

    Raises:
        InputError: shapes that do not fit, a temperature or an offset out of range.
    """
    check_temperature(temperature)
    check_offset(offset)
    _check_shapes(anchors, positives, source_groups, target_groups)
    with torch.autocast(device_type=anchors.device.type, enabled=False):
        sides = (unit_rows(widen(anchors)), unit_rows(widen(positives)))
        negative = _negative_mask(anchors, source_groups, target_groups)
        losses = [_direction(*sides, negative, temperature, offset, same_side)]
        if both_directions:
            losses.append(_direction(*sides[::-1], negative, temperature, offset, same_side))
    return LevelLoss(
        loss=torch.stack([level.loss for level in losses]).mean(),
        anchors=losses[0].anchors,
        positive_similarity=losses[0].positive_similarity,
        negative_similarity=torch.stack([level.negative_similarity for level in losses]).mean(),
    )


def _direction(
    anchors: Tensor,
    positives: Tensor,
    negative: Tensor,
    temperature: float,
    offset: float,
    same_side: bool,
) -> LevelLoss:
    """Loss of one direction from unit rows (B, D) and the (B, B) mask of negatives."""
    positive_cosines = (anchors * positives).sum(dim=1)
    cosines = anchors @ positives.T
    if same_side:
        cosines = torch.cat([cosines, anchors @ anchors.T], dim=1)
        negative = torch.cat([negative, negative], dim=1)
    negatives = masked_logsumexp(cosines / temperature, negative)
    losses = offset_nce(positive_cosines / temperature, negatives, offset)
    counts = negative.any(dim=1)
    return LevelLoss(
        loss=masked_mean(losses, counts),
        anchors=counts.sum(),
        positive_similarity=masked_mean(positive_cosines.detach(), counts),
        negative_similarity=masked_mean(cosines.detach(), negative),
    )


def _negative_mask(rows: Tensor, *groups: Tensor | None) -> Tensor:
    """(B, B) bool: pair j is a negative of anchor i (not itself, not a duplicate)."""
    same = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    for ids in groups:
        if ids is not None:
            same = same | (ids[:, None] == ids[None, :])
    return ~same


def _check_shapes(
    anchors: Tensor,
    positives: Tensor,
    source_groups: Tensor | None,
    target_groups: Tensor | None,
) -> None:
    if anchors.ndim != 2 or anchors.shape != positives.shape:
        raise InputError(
            f"anchors, positives: shapes {tuple(anchors.shape)} and {tuple(positives.shape)} "
            "are not allowed; both must be the same (B, D)"
        )
    for name, ids in (("source_groups", source_groups), ("target_groups", target_groups)):
        if ids is not None and ids.shape != anchors.shape[:1]:
            raise InputError(
                f"{name}: shape {tuple(ids.shape)} is not allowed; it must be ({len(anchors)},)"
            )
