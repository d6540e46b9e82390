"""Gradient caching: contrastive batches larger than memory, with the exact gradient.

A contrastive loss couples all rows of the batch, so accumulating the gradients of small batches
is not the gradient of the large one. Gradient caching (GradCache, Gao et al., arXiv 2101.06983;
docs/method.md, section 4) is: (1) embed every micro-batch without a graph, (2) compute the loss of
all embeddings and its gradient with respect to them, (3) embed each micro-batch again, now with a
graph and the same random numbers, and back-propagate the dot product with the cached gradient::

    embedded = [embed_without_gradient(embed, micro) for micro in micro_batches]
    loss, gradients = cache_gradients([rows for _, rows in embedded], contrastive)
    for micro, (rng, _), gradient in zip(micro_batches, embedded, gradients):
        with replay(rng):
            rows = embed(micro)                    # the same call as before, and first in the block
        (surrogate(rows, gradient) + other_loss(micro)).backward()

Embeddings are mappings from a name ('source_sentence', 'pair', ...) to (rows, ...) tensors; names
and row counts may differ between micro-batches. For a batch spread over workers the loss gathers
the rows itself (:func:`mlctl_ray.objective.gather_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from mlctl_ray.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RngState:
    """State of torch's global generators: the CPU's, and every CUDA device's once CUDA is in use.

    The generators of ``random`` and NumPy are not part of it.
    """

    cpu: Tensor
    cuda: tuple[Tensor, ...]


def rng_state() -> RngState:
    """Return the present state of torch's global generators."""
    # default_generators is empty until CUDA is in use, so a CPU run does not start CUDA here.
    cuda = tuple(generator.get_state() for generator in torch.cuda.default_generators)
    return RngState(cpu=torch.get_rng_state(), cuda=cuda)


@contextmanager
def replay(rng: RngState) -> Iterator[None]:
    """Run the block from a saved generator state, so that dropout repeats its masks.

    The generators stay where the block leaves them. After the last block of a step they stand
    where embedding the last micro-batch left them, or further, so the next step draws new numbers.
    """
    torch.set_rng_state(rng.cpu)
    for generator, state in zip(torch.cuda.default_generators, rng.cuda, strict=False):
        generator.set_state(state)
    yield


def embed_without_gradient(
    embed: Callable[[T], Mapping[str, Tensor]], micro: T
) -> tuple[RngState, Mapping[str, Tensor]]:
    """Phase 1: embed a micro-batch without a graph.

    Returns:
        The generator state before the call, for :func:`replay`, and the detached embeddings.
    """
    rng = rng_state()
    with torch.no_grad():
        embeddings = {name: rows.detach() for name, rows in embed(micro).items()}
    # Before torch 2.10 an enclosing autocast caches the cast weights without a graph here; reused
    # in phase 3 they would cut the parameters off from their gradient (pytorch issue 65766).
    torch.clear_autocast_cache()
    return rng, embeddings


def cache_gradients(
    embeddings: Sequence[Mapping[str, Tensor]],
    loss: Callable[[Mapping[str, Tensor]], Tensor],
) -> tuple[Tensor, tuple[Mapping[str, Tensor], ...]]:
    """Phase 2: the loss of all micro-batches together and its gradient for each.

    Args:
        embeddings: of every micro-batch, as :func:`embed_without_gradient` returned them.
        loss: from the embeddings concatenated by name, in the order of the micro-batches, to a
            scalar. A name that no micro-batch has is absent. Parameters that the loss itself uses
            receive their gradient here, once.

    Returns:
        The detached loss, and one mapping a micro-batch with the names and shapes of its
        embeddings; the gradient of a name that the loss does not use is zero.

    Raises:
        InputError: the loss is not a scalar.
    """
    names = list(dict.fromkeys(name for rows in embeddings for name in rows))
    holders = {n: [i for i, rows in enumerate(embeddings) if n in rows] for n in names}
    with torch.enable_grad():
        joined = {
            name: torch.cat([embeddings[i][name] for i in holders[name]]).detach().requires_grad_()
            for name in names
        }
        total = loss(joined)
        if total.ndim != 0:
            raise InputError(f"loss: shape {tuple(total.shape)} is not allowed; it must be ()")
        if total.requires_grad:
            torch.autograd.backward(total)
    cached: list[dict[str, Tensor]] = [{} for _ in embeddings]
    for name, rows in joined.items():
        gradient = torch.zeros_like(rows) if rows.grad is None else rows.grad
        sizes = [len(embeddings[i][name]) for i in holders[name]]
        for i, part in zip(holders[name], torch.split(gradient, sizes), strict=True):
            cached[i][name] = part
    return total.detach(), tuple(cached)


def surrogate(embeddings: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> Tensor:
    """Phase 3: a scalar whose gradient with respect to ``embeddings`` is ``gradients``.

    Its value, the sum of the dot products, means nothing: report the loss of phase 2.

    Args:
        embeddings: of one micro-batch, embedded again with a graph.
        gradients: of the same micro-batch, from :func:`cache_gradients`.

    Raises:
        InputError: names or shapes differ, so the micro-batch was not embedded as before.
    """
    before = {name: tuple(rows.shape) for name, rows in gradients.items()}
    after = {name: tuple(rows.shape) for name, rows in embeddings.items()}
    if before != after:
        raise InputError(f"embeddings: {after} are not allowed; phase 1 had {before}")
    total = torch.zeros(())
    for name, rows in embeddings.items():
        wide = torch.promote_types(rows.dtype, torch.float32)
        total = total + (rows.to(wide) * gradients[name].to(wide)).sum()
    return total
