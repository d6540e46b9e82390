"""Surrogate curves of retrieval accuracy where an alignment phase comes before the task.

The case of `study.selection: retrieval` with `align_then_joint` or `align_then_finetune`. Sentence
representations are aligned best when the alignment phase ends, which is before the first rung
(mlctl_ray/config/study.py holds that); from there the task draws them away, in every trial. Each
choice below is made from that mechanism, before any search was run on it.

- Without alignment, centred states of the pre-trained encoder find 18 to 38% of 1,000 translations
  (logit -1.5 to -0.5).
- A level on parallel text at its best temperature and offset adds 1 to 2.5 logits. Levels add up
  as a root sum of squares, since they align the same sentences. A larger contrastive batch is
  closer to a search among 1,000: a tenth of the gain more for four times the batch.
- The alignment phase goes 1 - exp(-2) of its way at a learning rate of 1e-4, and further at a
  higher one, with the root of the rate. The weight has no effect in it: AdamW does not see the
  scale of a loss that is alone.
- From its end, the gain relaxes exponentially towards what the losses that are left hold in
  balance. Its speed is proportional to the learning rate: a half to two time constants over the
  budget at 1e-4. So a high rate leads at the end of the alignment and loses most after it.
- `align_then_finetune` leaves nothing to hold the gain: the balance lies half a logit below the
  pre-trained encoder, since states that encode the class of a pair encode less of its sentences.
- `align_then_joint` holds the share w / (w + pull) of the gain, w the weight on parallel text and
  pull, 0.01 to 0.1, the weight at which contrast and task pull equally: a contrastive loss at
  temperature 0.1 has about ten times the gradient of a loss at temperature 1. With the space's
  median weight of 0.17 most of the gain stays. The label level draws sentences together that are
  no translations of each other, as the task does: at weight 1 it doubles the pull.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from learning_curves import (
    INFINITE_OFFSET,
    REFERENCE_RATE,
    active_levels,
    setting_match,
    sigmoid,
    total_weight,
)

LEVELS = ("sentence", "word", "multi")
"""The levels on parallel text."""
_LOST = 0.5
"""Logits below the pre-trained encoder to which the task alone leads."""


@dataclass(frozen=True, slots=True)
class AlignmentOptimum:
    """What a level on parallel text adds at best, in logits, and the settings at which it does."""

    gain: float
    temperature: float
    offset: float


@dataclass(frozen=True, slots=True)
class RetrievalProblem:
    """One drawn surrogate.

    Attributes:
        pretrained: logit of retrieval before training.
        decline: time constants over the budget at the reference learning rate.
        pull: weight on parallel text at which contrast and task pull equally.
        align: share of the budget in the alignment phase.
        examples: pairs behind an observed retrieval accuracy.
    """

    pretrained: float
    levels: Mapping[str, AlignmentOptimum]
    decline: float
    pull: float
    align: float
    examples: int = 1000

    def accuracy(self, values: Mapping[str, Any], time: float) -> float:
        """Noise-free retrieval accuracy of a configuration at a share of the budget.

        Args:
            values: configuration values by dotted name; the schedule has an alignment phase, which
                a configuration without a level on parallel text leaves out.
        """
        active = active_levels(values)
        parallel = [name for name in active if name in LEVELS]
        peak = self._peak(values, parallel)
        end = self.align if parallel else 0.0
        if time < end:
            return sigmoid(self.pretrained + peak * time / end)
        balance = self._balance(values, parallel, peak, labels="label" in active)
        rate = values["optimisation.learning_rate"] / REFERENCE_RATE
        kept = math.exp(-self.decline * rate * (time - end))
        return sigmoid(self.pretrained + balance + (peak - balance) * kept)

    def _peak(self, values: Mapping[str, Any], parallel: list[str]) -> float:
        """Logits above the pre-trained encoder at the end of the alignment phase."""
        if not parallel:
            return 0.0
        best = [self.levels[name] for name in parallel]
        gains = [
            one.gain * setting_match(values, name, temperature=one.temperature, offset=one.offset)
            for name, one in zip(parallel, best, strict=True)
        ]
        rate = values["optimisation.learning_rate"] / REFERENCE_RATE
        done = 1 - math.exp(-2 * math.sqrt(rate))
        batch = 1 + 0.1 * math.log(values["objective.batch_size"] / 256, 4)
        return done * batch * math.hypot(*gains)

    def _balance(
        self, values: Mapping[str, Any], parallel: list[str], peak: float, *, labels: bool
    ) -> float:
        """Logits above the pre-trained encoder towards which the task's phase leads."""
        held = 0.0
        if values["optimisation.schedule"] == "align_then_joint":
            pull = self.pull * (1 + (total_weight(values, ["label"]) if labels else 0.0))
            weight = total_weight(values, parallel)
            held = weight / (weight + pull)
        return held * peak - (1 - held) * _LOST


def draw(seed: int, align: float) -> RetrievalProblem:
    """The problem of a seed."""
    rng = np.random.default_rng([seed, 21])

    def log_uniform(low: float, high: float) -> float:
        return float(math.exp(rng.uniform(math.log(low), math.log(high))))

    pretrained = float(rng.uniform(-1.5, -0.5))
    decline, pull = log_uniform(0.5, 2), log_uniform(0.01, 0.1)
    levels = {
        name: AlignmentOptimum(
            gain=float(rng.uniform(1, 2.5)),
            temperature=log_uniform(0.03, 0.3),
            offset=float(rng.uniform(0, INFINITE_OFFSET)),
        )
        for name in LEVELS
    }
    return RetrievalProblem(pretrained, levels, decline, pull, align)
