"""Early end of a search when more trials can gain little (Makarova et al., 2022).

"Automatic Termination for Hyperparameter Optimization", AutoML-Conf 2022: stop when the bound on
the simple regret of a Gaussian process falls below the statistical error of the objective.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from optuna.exceptions import ExperimentalWarning
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.terminator import RegretBoundEvaluator
from optuna.trial import FrozenTrial, TrialState

from ..config import TerminatorConfig


def little_to_gain(
    config: TerminatorConfig, trials: Sequence[FrozenTrial], examples: int
) -> str | None:
    """Why the search may end early; None if it should go on.

    The bound is over the parameters that all trials share. The error of an accuracy a on n
    examples is sqrt(a (1 - a) / n); languages share their examples, so n is that of one language.

    Args:
        trials: of a single-objective study, maximised.
        examples: validation examples of one language.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if len(complete) < config.min_trials or not intersection_search_space(complete):
        return None
    best = max(trial.value for trial in complete if trial.value is not None)
    error = math.sqrt(max(best * (1 - best), 1e-12) / examples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        evaluator = RegretBoundEvaluator(seed=len(complete))
    bound = evaluator.evaluate(complete, StudyDirection.MAXIMIZE)
    if bound >= config.standard_errors * error:
        return None
    return (
        f"terminator: more trials could gain {100 * bound:.2f} points at most, and the objective "
        f"is measured to {100 * error:.2f}"
    )
