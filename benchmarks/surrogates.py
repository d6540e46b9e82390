"""The surrogates by name, each with the study that it stands for, and what holds of its curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import learning_curves
import numpy as np
import optuna
import retrieval_curves
from learning_curves import SCHEDULES, Curves
from optuna.samplers import RandomSampler
from scipy.stats import spearmanr
from simulated_search import TRIALS, make_config

from mlctl_ray.config import StudyConfig
from mlctl_ray.search.halving import make_rungs
from mlctl_ray.search.sampling import suggest


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Curves and their study.

    Attributes:
        draw: the problem of a seed and a share of the budget that aligns first.
        selection: what the study selects by.
        schedules: that the study searches.
    """

    draw: Callable[[int, float], Curves]
    selection: str = "mean_zero_shot"
    schedules: tuple[str, ...] = SCHEDULES

    def config(self, seed: int, trials: int = TRIALS) -> StudyConfig:
        """The study of a seed."""
        return make_config(seed, trials, self.selection, self.schedules)


RETRIEVAL = "falling: retrieval after alignment"
FINETUNE = "falling: the same, finetune alone"
SURROGATES: Mapping[str, Surrogate] = {
    "rising": Surrogate(lambda seed, align: learning_curves.draw(seed, False, align)),
    "rising, then falling": Surrogate(lambda seed, align: learning_curves.draw(seed, True, align)),
    RETRIEVAL: Surrogate(
        retrieval_curves.draw,
        selection="retrieval",
        schedules=("align_then_joint", "align_then_finetune"),
    ),
    FINETUNE: Surrogate(
        retrieval_curves.draw, selection="retrieval", schedules=("align_then_finetune",)
    ),
}


def make_problem(config: StudyConfig, surrogate: str) -> Curves:
    """The surrogate of the study's seed."""
    return SURROGATES[surrogate].draw(config.study.seed, config.optimisation.align_fraction)


@dataclass(frozen=True, slots=True)
class Premise:
    """How first rung and end go together, without noise, over random configurations.

    Attributes:
        correlation: Spearman's, between the values at the first rung and at the end.
        above_own: share whose value at the first rung lies above its own at the end.
        above_all: share whose value at the first rung lies above every one's at the end.
    """

    correlation: float
    above_own: float
    above_all: float


def premise(seed: int, surrogate: str, draws: int = 60) -> Premise:
    """Measure the curves of a seed on configurations drawn at random from its space."""
    config = SURROGATES[surrogate].config(seed)
    problem = make_problem(config, surrogate)
    rungs = make_rungs(config)
    assert rungs is not None
    first = rungs.steps[0] / config.optimisation.steps
    configurations = random_configurations(config, seed, draws)
    early = np.array([problem.accuracy(values, first) for values in configurations])
    end = np.array([problem.accuracy(values, 1.0) for values in configurations])
    return Premise(
        correlation=float(spearmanr(early, end).statistic),
        above_own=float(np.mean(early > end)),
        above_all=float(np.mean(early > end.max())),
    )


def random_configurations(config: StudyConfig, seed: int, draws: int) -> list[dict[str, Any]]:
    """Configuration values by dotted name, drawn uniformly from the study's space."""
    study = optuna.create_study(sampler=RandomSampler(seed))
    return [suggest(study.ask(), config.study.space) for _ in range(draws)]
