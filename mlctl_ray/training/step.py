"""One optimiser step's losses and gradients, in micro-batches, over any number of workers.

Gradients are averaged over the workers after the last micro-batch by an all-reduce of one flat
buffer. It is what DistributedDataParallel computes; its hooks are not used because gradient caching
re-embeds in several passes and the phases leave parameters out of whole steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import RunConfig
from ..data.corruption import IGNORED
from ..evaluation.scoring import autocast
from ..evaluation.workers import Workers
from ..model import MlctlModel
from .embedding import Micro, MicroOutput, NliMicro, ParallelMicro, forward_nli, forward_parallel
from .gradient_cache import cache_gradients, embed_without_gradient, replay, surrogate
from .levels import level_losses, weighted_sum
from .schedule import Phase

TERMS = ("total", "task", "sentence", "word", "multi", "label", "denoising")
"""Loss terms in the order of `StepLosses.values`."""


@dataclass(frozen=True, slots=True)
class StepLosses:
    """Losses of a step averaged over workers, NaN where a term does not take part."""

    values: Tensor

    def named(self) -> dict[str, float]:
        """Terms that took part, by name."""
        return {
            name: value
            for name, value in zip(TERMS, self.values.tolist(), strict=True)
            if name == "total" or value == value
        }


@dataclass(frozen=True, slots=True)
class _Shares:
    """NLI examples of this worker, and noise pieces of all workers divided by their number."""

    examples: int
    noise_pieces: float


class StepComputer:
    """Computes losses and gradients of a step's micro-batches."""

    def __init__(self, model: MlctlModel, config: RunConfig, workers: Workers, pad_id: int) -> None:
        self.model = model
        self.config = config
        self.workers = workers
        self.pad_id = pad_id

    def backward(self, micros: Sequence[Micro], phase: Phase) -> StepLosses:
        """Leave the gradient of the whole step, averaged over workers, in the parameters.

        Contrastive rows of one micro-batch a kind are back-propagated at once; more of them go
        through the gradient cache, which gives the gradient of the single large batch.
        Micro-batches without contrastive rows are back-propagated one by one.
        """
        shares = self._shares(micros)
        coupled = [micro for micro in micros if _embeds(micro, phase)]
        pieces = max(
            sum(isinstance(micro, kind) for micro in coupled) for kind in (NliMicro, ParallelMicro)
        )
        sums: dict[str, Tensor] = {}
        if pieces > 1:
            self._backward_cached(coupled, phase, shares, sums)
        elif pieces == 1:
            self._backward_at_once(coupled, phase, shares, sums)
        alone = [micro for micro in micros if not _embeds(micro, phase)]
        self._backward_each(alone, phase, shares, sums)
        return self._synchronise(sums)

    def _forward(self, micro: Micro, phase: Phase, *, losses: bool = True) -> MicroOutput:
        with autocast(self.config.optimisation.precision, self.workers.device):
            if isinstance(micro, NliMicro):
                return forward_nli(self.model, micro, self.pad_id, losses=losses)
            levels = phase.parallel_levels
            return forward_parallel(self.model, micro, levels, self.pad_id, losses=losses)

    def _shares(self, micros: Sequence[Micro]) -> _Shares:
        """What sums are divided by; gradients are averaged over the workers afterwards."""
        examples = sum(len(m.batch.labels_B) for m in micros if isinstance(m, NliMicro))
        corrupted = [side for m in micros if isinstance(m, ParallelMicro) for side in m.corrupted]
        if not corrupted:
            return _Shares(examples, 1.0)
        # Workers have different numbers of noise pieces, and the mean is over those of all.
        pieces = torch.stack([(side.labels_BT != IGNORED).sum() for side in corrupted]).sum()
        return _Shares(examples, self.workers.sum_(pieces).item() / self.workers.size)

    def _contrastive(
        self, embeddings: Mapping[str, Tensor], micros: Sequence[Micro], phase: Phase
    ) -> tuple[Tensor, dict[str, Tensor]]:
        batches = [micro.batch for micro in micros if isinstance(micro, ParallelMicro)]
        labels = None
        if phase.label:
            labels = torch.cat(
                [m.batch.labels_B.repeat(2) for m in micros if isinstance(m, NliMicro)]
            )
        objective = self.config.objective
        losses = level_losses(objective, phase.parallel_levels, embeddings, batches, labels)
        named: dict[str, Tensor] = {name: value.loss.detach() for name, value in losses.items()}
        return weighted_sum(objective, losses), named

    def _own(self, output: MicroOutput, shares: _Shares) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted losses that need no other row, as this worker's share of the mean."""
        named: dict[str, Tensor] = {}
        total = torch.zeros((), device=self.workers.device)
        if output.task is not None:
            named["task"] = output.task / shares.examples
            total = total + named["task"]
        if output.denoising is not None:
            named["denoising"] = output.denoising / shares.noise_pieces
            total = total + self.config.objective.span_corruption.weight * named["denoising"]
        return total, {name: value.detach() for name, value in named.items()}

    def _backward_each(
        self, micros: Sequence[Micro], phase: Phase, shares: _Shares, sums: dict[str, Tensor]
    ) -> None:
        for micro in micros:
            total, named = self._own(self._forward(micro, phase), shares)
            total.backward()
            _add(sums, {"total": total.detach(), **named})

    def _backward_at_once(
        self, micros: Sequence[Micro], phase: Phase, shares: _Shares, sums: dict[str, Tensor]
    ) -> None:
        outputs = [self._forward(micro, phase) for micro in micros]
        embeddings = {name: rows for o in outputs for name, rows in o.embeddings.items()}
        total, named = self._contrastive(embeddings, micros, phase)
        _add(sums, named)
        for output in outputs:
            own, terms = self._own(output, shares)
            total = total + own
            _add(sums, terms)
        total.backward()
        _add(sums, {"total": total.detach()})

    def _backward_cached(
        self, micros: Sequence[Micro], phase: Phase, shares: _Shares, sums: dict[str, Tensor]
    ) -> None:
        embedded = [
            embed_without_gradient(lambda m: self._forward(m, phase, losses=False).embeddings, m)
            for m in micros
        ]

        def coupled(embeddings: Mapping[str, Tensor]) -> Tensor:
            total, named = self._contrastive(embeddings, micros, phase)
            _add(sums, named)
            return total

        total, gradients = cache_gradients([rows for _, rows in embedded], coupled)
        _add(sums, {"total": total})
        for micro, (rng, _), cached in zip(micros, embedded, gradients, strict=True):
            with replay(rng):
                output = self._forward(micro, phase)
            own, terms = self._own(output, shares)
            (surrogate(output.embeddings, cached) + own).backward()
            _add(sums, {"total": own.detach(), **terms})

    def _synchronise(self, sums: Mapping[str, Tensor]) -> StepLosses:
        absent = torch.tensor(float("nan"), device=self.workers.device)
        values = torch.stack([sums.get(name, absent).float() for name in TERMS])
        average_gradients(self.model.parameters(), self.workers)
        return StepLosses(self.workers.sum_(values) / self.workers.size)


def _embeds(micro: Micro, phase: Phase) -> bool:
    """Whether a micro-batch has rows of a contrastive level."""
    return phase.label if isinstance(micro, NliMicro) else bool(phase.parallel_levels)


def average_gradients(parameters: Iterable[nn.Parameter], workers: Workers) -> None:
    """Replace every gradient by its mean over the workers.

    Every worker runs the same phase, so the same parameters have gradients everywhere; a level
    without a single row on one worker still leaves zeros there.
    """
    if workers.size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    workers.sum_(flat).div_(workers.size)
    for gradient, part in zip(
        gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def _add(sums: dict[str, Tensor], terms: Mapping[str, Tensor]) -> None:
    for name, value in terms.items():
        sums[name] = sums[name] + value if name in sums else value
