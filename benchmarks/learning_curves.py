"""Surrogate learning curves of zero-shot accuracy over the shipped search space.

They are made from the mechanism, not fitted: what a setting does to where a curve ends, to how fast
it rises, and (in one of the two) to how it falls again. Optima and gains are drawn anew for every
problem, so that a comparison over seeds is one over problems. Learning rates, temperatures and
weights act by their logarithms. Time is a share of the step budget, in [0, 1]. retrieval_curves.py
holds the curves of another measure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

CHANCE = 1 / 3
LEVELS = ("sentence", "word", "multi", "label")
SCHEDULES = ("joint", "align_then_joint", "align_then_finetune")
INFINITE_OFFSET = 8.0
"""From here the positive's weight in the denominator, exp(-offset), is next to nothing."""
REFERENCE_RATE = 1e-4


class Curves(Protocol):
    """What a configuration's validation shows over its budget."""

    @property
    def examples(self) -> int:
        """Validation examples behind an observed accuracy."""

    def accuracy(self, values: Mapping[str, Any], time: float) -> float:
        """Noise-free accuracy of a configuration, by dotted name, at a share of the budget."""


@dataclass(frozen=True, slots=True)
class LevelOptimum:
    """What a contrastive level adds at best, in logits, and the settings at which it does."""

    gain: float
    temperature: float
    weight: float
    offset: float


@dataclass(frozen=True, slots=True)
class Problem:
    """One drawn surrogate.

    Attributes:
        learning_rate: where the accuracy that training leads to is highest.
        schedules: what a schedule adds, in logits, if there is a level on parallel text.
        forgets_at: learning rate whose drift without contrast just begins to cost at the end of
            the budget; None for curves that only rise.
        align: share of the budget in the alignment phase, which does not train the task.
        examples: see `Curves`.
    """

    learning_rate: float
    levels: Mapping[str, LevelOptimum]
    schedules: Mapping[str, float]
    forgets_at: float | None
    align: float
    examples: int = 300

    def accuracy(self, values: Mapping[str, Any], time: float) -> float:
        """Noise-free accuracy in [1/3, 1) of a configuration at a share of the budget.

        Args:
            values: configuration values by dotted name.
        """
        levels = active_levels(values)
        aligned = bool(set(levels) - {"label"})
        phase = values["optimisation.schedule"] != "joint" and aligned
        task_time = max(0.0, time - self.align) if phase else time
        above = sigmoid(self._end(values, levels, aligned))
        risen = 1 - math.exp(-task_time / _rise_time(values, levels))
        return CHANCE + (1 - CHANCE) * above * risen * self._retained(values, levels, time)

    def _end(self, values: Mapping[str, Any], levels: tuple[str, ...], aligned: bool) -> float:
        """Logit of the share between chance and 1 to which training leads without forgetting."""
        distance = math.log(values["optimisation.learning_rate"] / self.learning_rate)
        logit = -0.5 * distance**2
        if aligned:
            logit += self.schedules[values["optimisation.schedule"]]
        return logit + sum(_level_logit(self.levels[name], values, name) for name in levels)

    def _retained(self, values: Mapping[str, Any], levels: tuple[str, ...], time: float) -> float:
        """Share of what was learnt that the target languages keep.

        Zero-shot transfer rests on the multilingual encoder that pre-training left. Drift from it
        grows with steps, learning rate and contrastive weight; beyond a threshold it costs.
        """
        if self.forgets_at is None:
            return 1.0
        rate = values["optimisation.learning_rate"] / self.forgets_at
        drift = time * rate * (1 + 0.5 * total_weight(values, levels))
        return math.exp(-0.25 * max(0.0, drift - 1))


def draw(seed: int, forgetting: bool, align: float) -> Problem:
    """The problem of a seed; with and without forgetting it is the same otherwise."""
    rng = np.random.default_rng([seed, 20])

    def log_uniform(low: float, high: float) -> float:
        return float(math.exp(rng.uniform(math.log(low), math.log(high))))

    rate, forgets_at = log_uniform(5e-5, 2e-4), log_uniform(5e-5, 2e-4)
    levels = {
        name: LevelOptimum(
            gain=float(rng.uniform(-0.1, 0.3)),
            temperature=log_uniform(0.03, 0.3),
            weight=log_uniform(0.05, 1.0),
            offset=float(rng.uniform(0, INFINITE_OFFSET)),
        )
        for name in LEVELS
    }
    schedules = {name: float(rng.uniform(0, 0.2)) for name in SCHEDULES}
    return Problem(rate, levels, schedules, forgets_at if forgetting else None, align)


def observed(accuracy: float, examples: int, *, seed: int, trial: int, step: int) -> float:
    """Accuracy as it is measured on `examples`; the same for the same arguments."""
    rng = np.random.default_rng([seed, trial, step])
    return float(rng.binomial(examples, accuracy) / examples)


def setting_match(
    values: Mapping[str, Any], name: str, *, temperature: float, offset: float
) -> float:
    """Share in (0, 1] of a level's gain that its temperature and offset leave; 1 at the optimum."""
    setting = f"objective.{name}."
    distance = math.log(values[setting + "temperature"] / temperature)
    from_offset = min(float(values[setting + "offset"]), INFINITE_OFFSET) - offset
    return math.exp(-0.5 * distance**2) * math.exp(-0.5 * (from_offset / 3) ** 2)


def _level_logit(best: LevelOptimum, values: Mapping[str, Any], name: str) -> float:
    """Rises with the weight to its optimum, then falls; a weight above it also harms the task."""
    weight = float(values[f"objective.{name}.weight"]) / best.weight
    match = setting_match(values, name, temperature=best.temperature, offset=best.offset)
    used = weight * math.exp(1 - weight)
    return best.gain * match * used - 0.2 * max(0.0, math.log(weight))


def _rise_time(values: Mapping[str, Any], levels: tuple[str, ...]) -> float:
    """Time to 1 - 1/e of the end: shorter for high rates, longer where contrast takes its share."""
    rate = values["optimisation.learning_rate"] / REFERENCE_RATE
    return 0.15 / math.sqrt(rate) * (1 + 0.3 * total_weight(values, levels))


def total_weight(values: Mapping[str, Any], levels: Iterable[str]) -> float:
    """Sum of the weights of some levels."""
    return math.fsum(values[f"objective.{name}.weight"] for name in levels)


def active_levels(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Contrastive levels of a configuration."""
    chosen: str = values["objective.levels"]
    return () if chosen == "none" else tuple(chosen.split("+"))


def sigmoid(logit: float) -> float:
    """Accuracy, or a share of it, of a logit."""
    return 1 / (1 + math.exp(-logit))
