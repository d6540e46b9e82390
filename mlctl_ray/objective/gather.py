"""All-gather of rows over the workers, with gradients and uneven row counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from mlctl_ray.errors import InputError


def gather_rows(tensor: Tensor) -> Tensor:
    """Concatenate the rows of every rank of the default process group, in rank order.

    The identity when torch.distributed is not initialised or has one rank. Ranks may hold
    different numbers of rows, 0 included (of the same trailing shape and dtype). The backward
    pass sums the incoming gradient over ranks and keeps the owner's rows: when every rank computes
    the same loss of all rows and parameter gradients are *averaged* over ranks (DDP), the result
    is the gradient of the single large batch.

    It is a collective operation, forward and (if any rank's tensor requires a gradient) backward:
    every rank must call it in the same order and run the backward pass. A rank whose tensor
    requires no gradient, such as one without rows, takes part all the same. Integer tensors are
    gathered without gradient.

    Args:
        tensor: (n, ...) on the device of the process group's backend.

    Returns:
        (sum of n over ranks, ...).

    Raises:
        InputError: the tensor has no row dimension, or rows differ in size between ranks.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return tensor
    if tensor.ndim == 0:
        raise InputError("tensor: a scalar is not allowed; it must have rows, shape (n, ...)")
    wants_gradient = tensor.requires_grad and torch.is_grad_enabled()
    header = (len(tensor), math.prod(tensor.shape[1:]), int(wants_gradient))
    headers = _exchange(header, tensor.device)
    if len({size for _, size, _ in headers}) > 1:
        raise InputError(
            f"tensor: rows of {[size for _, size, _ in headers]} values on ranks 0, 1, ... are "
            "not allowed; every rank must have the same trailing shape"
        )
    counts = [rows for rows, _, _ in headers]
    if max(counts) == 0:
        return tensor
    if not any(wants for _, _, wants in headers):
        return _gather(tensor, counts)
    if not wants_gradient:
        # The backward pass is a collective too, so this rank must have a node in the graph.
        tensor = tensor.detach().requires_grad_()
    gather: Callable[[Tensor, list[int]], Tensor] = _GatherRows.apply
    with torch.enable_grad():
        return gather(tensor, counts)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        return _gather(tensor, counts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return torch.split(summed, ctx.counts)[dist.get_rank()], None


def _exchange(values: tuple[int, int, int], device: torch.device) -> list[tuple[int, int, int]]:
    """All-gather three integers of every rank."""
    own = torch.tensor(values, dtype=torch.int64, device=device)
    received = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(received, own)
    return [(a, b, c) for a, b, c in torch.stack(received).tolist()]


def _gather(tensor: Tensor, counts: list[int]) -> Tensor:
    """All-gather rows padded to the longest rank, then drop the padding."""
    padded = tensor.new_zeros((max(counts), *tensor.shape[1:]))
    padded[: len(tensor)] = tensor.detach()
    received = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(received, padded)
    return torch.cat([rows[:count] for rows, count in zip(received, counts, strict=True)])
