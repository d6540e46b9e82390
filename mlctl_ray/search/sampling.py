"""From a space to suggestions: Optuna's distributions, known points, and parameter values.

A domain with `or_infinity` is two parameters: the choice ``<name>.infinite`` and, where it is
false, the number itself. So infinity is a value of its own and TPE models it as a category.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ..config import (
    VARIANTS,
    CategoricalDomain,
    ConstantDomain,
    Domain,
    FloatDomain,
    IntDomain,
    StudyConfig,
    flatten,
)
from ..errors import InputError

INFINITE = ".infinite"
_MOST_SEED = 2**31


def is_searched(domain: Domain, chosen: Mapping[str, Any]) -> bool:
    """Whether a conditional domain takes part, given the parameters chosen before it."""
    return all(
        name in chosen and chosen[name] in values for name, values in (domain.when or {}).items()
    )


def suggest(trial: optuna.trial.Trial, space: Mapping[str, Domain]) -> dict[str, Any]:
    """Values of every searched field by its dotted name, in the order of the space."""
    chosen: dict[str, Any] = {}
    for name, domain in space.items():
        if is_searched(domain, chosen):
            chosen[name] = _suggest_one(trial, name, domain)
    return chosen


def _suggest_one(trial: optuna.trial.Trial, name: str, domain: Domain) -> Any:
    if isinstance(domain, ConstantDomain):
        return domain.value
    if isinstance(domain, CategoricalDomain):
        return trial.suggest_categorical(name, domain.choices)
    if isinstance(domain, IntDomain):
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log)
    if domain.or_infinity and trial.suggest_categorical(name + INFINITE, [False, True]):
        return math.inf
    return trial.suggest_float(name, domain.low, domain.high, log=domain.type == "log_float")


def known_point(config: StudyConfig, variant: str) -> dict[str, Any]:
    """A named variant as Optuna parameters: its settings, and the base configuration's otherwise.

    Raises:
        InputError: a value is outside the space, so the variant cannot be a trial of it.
    """
    settings = VARIANTS[variant]
    base = flatten(config.run_tree())
    chosen: dict[str, Any] = {}
    point: dict[str, Any] = {}
    for name, domain in config.study.space.items():
        if not is_searched(domain, chosen):
            continue
        value = settings.get(name, base.get(name))
        if isinstance(domain, ConstantDomain):
            value = domain.value
        elif not domain.holds(value):
            raise InputError(
                f"study.known: variant {variant!r} has {name}={value!r}, which study.space.{name} "
                "does not hold; widen the domain, change the base value, or leave the variant out"
            )
        chosen[name] = value
        point |= _encode(name, domain, value)
    for name, value in settings.items():
        if name not in config.study.space and base.get(name) != value and _matters(name, settings):
            raise InputError(
                f"study.known: variant {variant!r} needs {name}={value!r}, but {name} is not in "
                "study.space; add it or leave the variant out"
            )
    return point


def _matters(name: str, settings: Mapping[str, Any]) -> bool:
    return name == "objective.levels" or name in settings


def _encode(name: str, domain: Domain, value: Any) -> dict[str, Any]:
    if isinstance(domain, ConstantDomain):
        return {}
    if isinstance(domain, FloatDomain) and domain.or_infinity:
        infinite = value == math.inf
        return {name + INFINITE: infinite} | ({} if infinite else {name: float(value)})
    return {name: value}


def encode(
    values: Mapping[str, Any], space: Mapping[str, Domain]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]] | None:
    """Optuna's parameters and their distributions for values by dotted name.

    Returns:
        None if the space does not hold the values.
    """
    chosen: dict[str, Any] = {}
    params: dict[str, Any] = {}
    found: dict[str, BaseDistribution] = {}
    for name, domain in space.items():
        if not is_searched(domain, chosen):
            continue
        if name not in values or not domain.holds(values[name]):
            return None
        chosen[name] = values[name]
        params |= _encode(name, domain, values[name])
        found |= _distributions(name, domain, values[name])
    return params, found


def _distributions(name: str, domain: Domain, value: Any) -> dict[str, BaseDistribution]:
    if isinstance(domain, CategoricalDomain):
        return {name: CategoricalDistribution(tuple(domain.choices))}
    if isinstance(domain, IntDomain):
        return {name: IntDistribution(domain.low, domain.high, log=domain.log)}
    if not isinstance(domain, FloatDomain):
        return {}
    number = FloatDistribution(domain.low, domain.high, log=domain.type == "log_float")
    if not domain.or_infinity:
        return {name: number}
    infinite = {name + INFINITE: CategoricalDistribution((False, True))}
    return infinite if value == math.inf else {**infinite, name: number}


def decode(params: Mapping[str, Any], space: Mapping[str, Domain]) -> dict[str, Any]:
    """Values by dotted name from the parameters that Optuna stored; the inverse of `suggest`."""
    chosen: dict[str, Any] = {}
    for name, domain in space.items():
        if not is_searched(domain, chosen):
            continue
        if isinstance(domain, ConstantDomain):
            chosen[name] = domain.value
        elif params.get(name + INFINITE):
            chosen[name] = math.inf
        elif name in params:
            chosen[name] = params[name]
    return chosen


def sampler_seed(study_seed: int, number: int) -> int:
    """Seed of the sampler that proposes a trial: a function of study's seed and trial's number."""
    return (study_seed * 1_000_003 + number * 104_729 + 77_003) % _MOST_SEED


def trial_seed(study_seed: int, number: int) -> int:
    """Seed of a trial: a function of the study's seed and the trial's number."""
    return (study_seed * 1_000_003 + number * 7919 + 1) % _MOST_SEED


def replicate_seed(study_seed: int, replicate: int) -> int:
    """Seed of a confirmation run; all variants of one replicate share it, so they are paired."""
    return (study_seed * 1_000_003 + 500_000_003 + replicate * 104_729) % _MOST_SEED
