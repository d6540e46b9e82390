"""Asynchronous successive halving as pure functions of what the journal holds.

The stopping variant of Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning",
section 3: a trial that reaches a rung goes on if it is among the best 1/eta of those that reached
it before. Rungs lie at grace x eta^k steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config import StudyConfig


@dataclass(frozen=True, slots=True)
class Rungs:
    """The steps at which trials are compared, and the share 1/`reduction` that goes on."""

    steps: tuple[int, ...]
    reduction: int

    def stops(self, value: float, others: Sequence[float]) -> bool:
        """Whether a trial ends at a rung, given the values of the others that reached it.

        The first at a rung goes on. Values equal to the cutoff go on.
        """
        if not others:
            return False
        cutoff = np.quantile(np.asarray(others, dtype=np.float64), 1 - 1 / self.reduction)
        return bool(value < cutoff)


def make_rungs(config: StudyConfig) -> Rungs | None:
    """The rungs of a study; None if every trial runs to its end."""
    asha, every = config.study.asha, config.optimisation.evaluate_every
    if asha is None or every is None:
        return None
    steps, rung = [], asha.grace_evaluations * every
    while rung < config.optimisation.steps:
        steps.append(rung)
        rung *= asha.reduction_factor
    return Rungs(tuple(steps), asha.reduction_factor)
