"""Learning rate and phases as pure functions of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..config import Level, OptimisationConfig, RunConfig


def learning_rate(config: OptimisationConfig, step: int) -> float:
    """Learning rate of optimiser step `step`, counted from 0.

    Linear warm-up to `learning_rate`, then linear or cosine decay towards 0, or constant.
    """
    warmup = math.ceil(config.warmup_fraction * config.steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.decay == "constant":
        return config.learning_rate
    done = (step - warmup) / max(1, config.steps - warmup)
    share = 1 - done if config.decay == "linear" else (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * share


@dataclass(frozen=True, slots=True)
class Phase:
    """What takes part in a step: the task, levels on parallel text, the label level."""

    task: bool
    parallel_levels: tuple[Level, ...]
    label: bool
    denoise: bool

    @property
    def reads_parallel(self) -> bool:
        """Whether the step needs parallel text."""
        return bool(self.parallel_levels) or self.denoise


def phase_of(config: RunConfig, step: int) -> Phase:
    """The phase of a step: alignment first, or the task with or without alignment.

    In `align_then_finetune` the parallel levels end with the first phase; the label level needs
    labels and therefore always belongs to the task's steps.
    """
    levels = config.objective.parallel_levels
    denoise = config.objective.span_corruption.weight > 0
    if step < config.align_steps:
        return Phase(task=False, parallel_levels=levels, label=False, denoise=denoise)
    finetune = config.optimisation.schedule == "align_then_finetune" and config.align_steps > 0
    return Phase(
        task=True,
        parallel_levels=() if finetune else levels,
        label="label" in config.objective.active,
        denoise=denoise and not finetune,
    )
