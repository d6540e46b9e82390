"""Supervised contrastive loss of labelled representations: the label level."""

from __future__ import annotations

import torch
from torch import Tensor

from mlctl_ray.errors import InputError
from mlctl_ray.objective.level import LevelLoss, masked_logsumexp, masked_mean, unit_rows, widen
from mlctl_ray.objective.offset import check_offset, check_temperature, offset_nce


def label_loss(
    representations: Tensor, labels: Tensor, *, temperature: float, offset: float
) -> LevelLoss:
    """Pull representations of the same label together, across languages, and push labels apart.

    The positives P(i) of anchor i are the other rows with its label, the negatives N(i) the rows
    with another label; the similarity ``s`` is the cosine divided by the temperature. With
    :func:`offset_nce` (docs/method.md, section 8)::

        x_ip = log sum_{n in N(i)} exp(s_in) - s_ip
        L_i  = 1/|P(i)| sum_{p in P(i)} softplus(x_ip + offset) - offset

    Relation to SupCon (Khosla et al., arXiv 2004.11362, L_out): the average over positives stands
    outside the logarithm as there, but the denominator differs. L_out divides by the sum over
    *all* other rows, the other positives included, so each positive is pushed away by its
    fellows; here ``offset=0`` gives ``-log(exp(s_ip) / (exp(s_ip) + sum_n exp(s_in)))`` with the
    one positive p, and ``offset=inf`` leaves every positive out. Thus the offset has one meaning
    at every level: exp(-offset) weighs the positive in the denominator and -offset is the floor
    (under L_out the floor is log |P(i)|, which depends on the batch's label counts). The two
    agree at ``offset=0`` where every anchor has one positive, and L_i <= L_out elsewhere.

    An anchor without a positive or without a negative is left out of the mean. At least float32
    is used whatever the autocast and the input dtype.

    Args:
        representations: (N, D) floating-point; N may be 0.
        labels: (N,) int64 class ids.
        temperature: above 0.
        offset: in [0, inf].

    Raises:
        InputError: shapes that do not fit, a temperature or an offset out of range.
    """
    check_temperature(temperature)
    check_offset(offset)
    if representations.ndim != 2 or labels.shape != representations.shape[:1]:
        raise InputError(
            f"representations, labels: shapes {tuple(representations.shape)} and "
            f"{tuple(labels.shape)} are not allowed; they must be (N, D) and (N,)"
        )
    with torch.autocast(device_type=representations.device.type, enabled=False):
        rows = unit_rows(widen(representations))
        cosines = rows @ rows.T
        same = labels[:, None] == labels[None, :]
        counts = (same.sum(dim=1) > 1) & ~same.all(dim=1)
        negative = ~same & counts[:, None]
        itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        positive = same & ~itself & counts[:, None]
        logits = cosines / temperature
        losses = offset_nce(logits, masked_logsumexp(logits, negative)[:, None], offset)
        totals = losses.masked_fill(~positive, 0.0).sum(dim=1)
        means = totals / positive.sum(dim=1).clamp(min=1)
        return LevelLoss(
            loss=masked_mean(means, counts),
            anchors=counts.sum(),
            positive_similarity=masked_mean(cosines.detach(), positive),
            negative_similarity=masked_mean(cosines.detach(), negative),
        )
