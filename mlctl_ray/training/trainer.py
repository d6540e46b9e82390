"""The step loop: plain torch, no Ray, no MLflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..config import RunConfig
from ..errors import TrialFailure
from ..evaluation.workers import Workers
from ..model import MlctlModel, build_backbone
from .batches import StepBatches
from .checkpoint import LoopState, check_same_run, load_state, load_weights, save_checkpoint
from .data import TrainingData
from .fence import UNFENCED, Fence
from .memory import within_memory
from .schedule import learning_rate, phase_of
from .step import TERMS, StepComputer, StepLosses
from .storage import storage


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands after a step at which it pauses.

    Attributes:
        step: optimiser steps done.
        final: whether this was the last step.
        due: whether a report is due, as after the last step; else the pause is for a checkpoint.
        asked: whether the pause was asked for, so that the run is to end here.
        losses: mean of each loss term since the previous report, by term.
        samples_per_second: encoder inputs trained a second since the previous report, or since the
            run was resumed; 0 when a run that had ended was resumed.
    """

    step: int
    final: bool
    due: bool
    asked: bool
    losses: dict[str, float]
    samples_per_second: float


class Trainer:
    """Trains one model by one configuration.

    Args:
        config: the run.
        data: tables and tokenizer of this configuration.
        workers: this process's place; every worker makes the same calls.
    """

    def __init__(self, config: RunConfig, data: TrainingData, workers: Workers) -> None:
        self.config = config
        self.data = data
        self.workers = workers
        torch.manual_seed(config.seed)
        backbone = build_backbone(config.model, data.tokenizer)
        self.model = MlctlModel(backbone, config.model, data.label_ids, config.objective.active)
        self.model.to(workers.device).train()
        self.optimiser = _make_optimiser(self.model, config)
        self.step = 0
        self._sums = _LossSums()
        torch.manual_seed(config.seed * 1009 + 1 + workers.rank)
        self._computer = StepComputer(self.model, config, workers, data.tokenizer.pad_id)
        self._batches = StepBatches(config, data, workers)
        self._rows, self._seconds = 0, 0.0

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint of the same configuration, to the bit on CPU.

        Raises:
            InputError: the checkpoint is of another configuration or number of workers.
            StorageFailure: it cannot be read.
        """
        with storage(checkpoint):
            check_same_run(checkpoint, self.config)
            load_weights(checkpoint, self.model)
            state = load_state(checkpoint, self.workers)
        self.optimiser.load_state_dict(state.optimiser)
        self.step = state.step
        self._sums = _LossSums(**state.sums)

    def save(self, folder: Path, device_hours: float = 0.0, fence: Fence = UNFENCED) -> Path:
        """Write a checkpoint from which `resume` goes on.

        Raises:
            StorageFailure: the disk is full, or the folder cannot be written.
            Superseded: another attempt has claimed the run's folder.
        """
        state = LoopState(self.step, self.optimiser.state_dict(), self._sums.state(), device_hours)
        return save_checkpoint(
            folder, self.model, self.data.tokenizer, self.config, state, self.workers, fence
        )

    def run(
        self,
        reports: frozenset[int],
        saves: frozenset[int] = frozenset(),
        asked: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress]:
        """Train to the end; pause after the steps in `reports` and `saves` and after the last one.

        A checkpoint is saved while the loop pauses. After the last step's it pauses once more, so
        that a run that was killed between its checkpoint and its evaluation ends as it would have.

        Args:
            reports: steps at which the means of the losses end and begin anew.
            saves: steps at which they go on, as in a run without the pause.
            asked: called after every step but the last; the loop pauses there too if it is true.

        Raises:
            TrialFailure: a loss or gradient is not finite, or memory ran out; names the step.
        """
        steps = self.config.optimisation.steps
        if self.step == steps:
            yield Progress(steps, True, True, False, self._sums.means(), 0.0)
            return
        if self.step in reports:
            self._sums.reset()
        self._rows, self._seconds = 0, 0.0
        while self.step < steps:
            self._timed_step()
            final = self.step == steps
            due, stop = final or self.step in reports, not final and asked()
            if due or stop or self.step in saves:
                speed = self._rows * self.workers.size / self._seconds
                yield Progress(self.step, final, due, stop, self._sums.means(), speed)
            if due:
                self._sums.reset()
                self._rows, self._seconds = 0, 0.0

    def _timed_step(self) -> None:
        started = time.perf_counter()
        self._rows += within_memory(
            self._train_step,
            where=f"at step {self.step + 1}",
            cure="optimisation.token_budget or optimisation.batch_size",
        )
        self._seconds += time.perf_counter() - started

    def _train_step(self) -> int:
        config = self.config
        phase = phase_of(config, self.step)
        micros = self._batches.micros(self.step, phase)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(config.optimisation, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        losses = self._computer.backward(micros, phase)
        norm = torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), config.optimisation.clip_norm
        )
        self._refuse_non_finite(losses, norm)
        self.optimiser.step()
        self.step += 1
        self._sums.add(losses)
        return sum(micro.rows for micro in micros)

    def _refuse_non_finite(self, losses: StepLosses, norm: torch.Tensor) -> None:
        if bool(torch.isfinite(losses.values[0]) & torch.isfinite(norm)):
            return
        terms = ", ".join(f"{name}={value}" for name, value in losses.named().items())
        optimisation = self.config.optimisation
        raise TrialFailure(
            f"non-finite loss or gradient at step {self.step + 1}: {terms}, "
            f"gradient norm {norm.item()}; learning_rate {optimisation.learning_rate}, "
            f"precision {optimisation.precision}, "
            f"levels {'+'.join(self.config.objective.levels) or 'none'}"
        )


class _LossSums:
    """Means of the loss terms between reports; a term counts only where it took part."""

    def __init__(self, total: list[float] | None = None, count: list[int] | None = None) -> None:
        self.total = torch.tensor(total or [0.0] * len(TERMS), dtype=torch.float64)
        self.count = torch.tensor(count or [0] * len(TERMS), dtype=torch.int64)

    def add(self, losses: StepLosses) -> None:
        values = losses.values.detach().double().cpu()
        self.total += values.nan_to_num(nan=0.0)
        self.count += ~values.isnan()

    def means(self) -> dict[str, float]:
        return {
            name: (self.total[i] / self.count[i]).item()
            for i, name in enumerate(TERMS)
            if self.count[i]
        }

    def reset(self) -> None:
        self.total.zero_()
        self.count.zero_()

    def state(self) -> dict[str, Any]:
        return {"total": self.total.tolist(), "count": self.count.tolist()}


def _make_optimiser(model: MlctlModel, config: RunConfig) -> torch.optim.AdamW:
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in trained if p.ndim >= 2],
            "weight_decay": config.optimisation.weight_decay,
        },
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=config.optimisation.learning_rate, fused=True)
