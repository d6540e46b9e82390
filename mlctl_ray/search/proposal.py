"""The next trial as a pure function of the study's trials: what `--resume` and `--replay` rest on.

Optuna's samplers hold a random state that is lost with the driver. Here every trial is proposed by
a new sampler, seeded by the study's seed and the trial's number, on the trials as they stand. So
the proposal depends on nothing that is not in the storage, and a resumed search proposes what the
undisturbed one would have.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

from ..config import StudyConfig
from .attributes import FAULT, IMPORTED, VARIANT
from .faults import Fault
from .measures import objectives
from .sampling import known_point, sampler_seed, suggest

USED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


@dataclass(frozen=True, slots=True)
class Ask:
    """From what a trial was proposed.

    Attributes:
        seed: of the sampler.
        told: numbers of the trials whose results the sampler had.
        running: numbers of the trials that ran, which TPE takes for bad ones.
    """

    seed: int
    told: tuple[int, ...]
    running: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial to be born.

    Attributes:
        params: Optuna's parameters, and `distributions` theirs.
        values: configuration values by dotted name, infinity and constants included.
        variant: the named variant that it is.
    """

    number: int
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    values: Mapping[str, Any]
    variant: str | None
    ask: Ask


def propose(config: StudyConfig, trials: Sequence[FrozenTrial], number: int) -> Proposal:
    """Propose trial `number` of a study that has `trials`.

    Named variants come first, in the order of `study.known`; after them TPE, multivariate and with
    the space split into groups.
    """
    variant = next_variant(config, trials)
    fixed = {} if variant is None else known_point(config, variant)
    return _proposed(config, trials, number, fixed, variant)


def _proposed(
    config: StudyConfig,
    trials: Sequence[FrozenTrial],
    number: int,
    fixed: Mapping[str, Any],
    variant: str | None,
) -> Proposal:
    used = [shown for trial in trials if (shown := _as_shown(trial)) is not None]
    seed = sampler_seed(config.study.seed, number)
    shadow = _shadow(config, used, seed)
    if fixed:
        shadow.enqueue_trial(dict(fixed))
    trial = shadow.ask()
    values = suggest(trial, config.study.space)
    running = tuple(t.number for t in used if t.state is TrialState.RUNNING)
    told = tuple(t.number for t in used if t.state is not TrialState.RUNNING)
    return Proposal(
        number=number,
        params=trial.params,
        distributions=trial.distributions,
        values=values,
        variant=variant,
        ask=Ask(seed, told, running),
    )


def propose_again(
    config: StudyConfig, trials: Sequence[FrozenTrial], number: int, ask: Ask
) -> Proposal:
    """Propose a trial as it was proposed: from the trials that it was told of then."""
    by_number = {trial.number: trial for trial in trials}
    then = [by_number[n] for n in sorted((*ask.told, *ask.running))]
    as_they_stood = [_copied(t, TrialState.RUNNING) if t.number in ask.running else t for t in then]
    variant = by_number[number].user_attrs.get(VARIANT)
    fixed = {} if variant is None else known_point(config, variant)
    return _proposed(config, as_they_stood, number, fixed, variant)


def next_variant(config: StudyConfig, trials: Sequence[FrozenTrial]) -> str | None:
    """The first named variant that is no trial yet; imported trials do not count."""
    there = {t.user_attrs.get(VARIANT) for t in trials if IMPORTED not in t.user_attrs}
    return next((name for name in config.study.known if name not in there), None)


def make_sampler(config: StudyConfig, seed: int) -> TPESampler:
    """The sampler of a study."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            multivariate=True,
            group=True,
            n_startup_trials=config.study.startup_trials,
            seed=seed,
        )


def _as_shown(trial: FrozenTrial) -> FrozenTrial | None:
    """A trial as the sampler sees it; None if it tells nothing.

    Optuna's samplers pass over failed trials and would propose what fails again and again. A trial
    that failed for its own values is shown as one that was stopped before its first value, which
    TPE takes for the worst.
    """
    if trial.state in USED:
        return trial
    if trial.user_attrs.get(FAULT) != Fault.CONFIGURATION.value:
        return None
    return _copied(trial, TrialState.PRUNED)


def _shadow(config: StudyConfig, trials: Sequence[FrozenTrial], seed: int) -> optuna.Study:
    """A study in memory with the same trials, on which a proposal leaves no trace."""
    shadow = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        sampler=make_sampler(config, seed),
        directions=[objective.direction for objective in objectives(config)],
    )
    shadow.add_trials(trials)
    return shadow


def _copied(trial: FrozenTrial, state: TrialState) -> FrozenTrial:
    """A trial with its values in another state, without results."""
    copy = optuna.trial.create_trial(
        state=state,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
    )
    copy.number = trial.number
    return copy
