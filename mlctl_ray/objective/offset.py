"""The offset family of contrastive losses: InfoNCE at offset 0, CZ-NCE (decoupled) at infinity."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mlctl_ray.errors import InputError


def check_offset(offset: float) -> None:
    """Raise InputError unless ``offset`` is in [0, inf]."""
    if math.isnan(offset) or offset < 0.0:
        raise InputError(f"offset: {offset!r} is not allowed; it must be in [0, inf]")


def check_temperature(temperature: float) -> None:
    """Raise InputError unless ``temperature`` is a finite number above 0."""
    if not (math.isfinite(temperature) and temperature > 0.0):
        raise InputError(f"temperature: {temperature!r} is not allowed; it must be in (0, inf)")


def offset_nce(positive: Tensor, negatives: Tensor, offset: float) -> Tensor:
    """Loss of each anchor in the offset family (docs/method.md, section 8).

    With ``x = negatives - positive`` and offset ``b``::

        L_b = softplus(x + b) - b = log(exp(x) + exp(-b))

    so ``exp(-b)`` is the weight of the positive in the denominator and ``-b`` the floor:

    - ``b = 0``: InfoNCE / NT-Xent, ``softplus(x)``, floor 0, gradient ``1 - p(positive)``;
    - ``b = inf``: CZ-NCE (ML-CTL, arXiv 2202.13083), which is the decoupled loss DCL
      (arXiv 2110.06848): ``x`` itself, no floor, gradient 1 everywhere;
    - between: gradient ``sigmoid(x + b)`` and a zero crossing for every ``b > 0``.

    It is evaluated as ``max(x, -b) + log1p(exp(-|x + b|))``: the textbook ``softplus(x + b) - b``
    loses the digits of ``x`` when ``b`` is large and is ``inf - inf`` at infinity.

    Args:
        positive: similarity of the positive divided by the temperature, any shape.
        negatives: log-sum-exp of the negatives' similarities divided by the temperature,
            broadcastable to ``positive``; finite.
        offset: ``b`` in [0, inf], in nats.

    Returns:
        The loss, of the broadcast shape and the promoted dtype of the inputs.

    Raises:
        InputError: the offset is negative or not a number.
    """
    check_offset(offset)
    x = negatives - positive
    if math.isinf(offset):
        return x
    floor = torch.full((), -offset, dtype=x.dtype, device=x.device)
    return torch.logaddexp(x, floor)
