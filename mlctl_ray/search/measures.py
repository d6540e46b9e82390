"""What trials are judged by: metric keys, directions, and limits that they must keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..config import StudyConfig
from ..evaluation import keys

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective: its name in the configuration, its metric, and which way is better."""

    name: str
    key: str
    direction: Direction


def measure_key(config: StudyConfig, name: str) -> str:
    """Metric of a measure on validation; a language stands for its accuracy."""
    if name == "retrieval":
        return keys.mean_key("validation", keys.RETRIEVAL)
    if name == "source":
        return keys.accuracy_key("validation", config.task, config.data.nli.source)
    if name == "mean_zero_shot":
        return keys.mean_zero_shot_key("validation", config.task)
    if name == "device_hours":
        return keys.DEVICE_HOURS
    return keys.accuracy_key("validation", config.task, name)


def objectives(config: StudyConfig) -> tuple[Objective, ...]:
    """The objectives, `study.selection` first."""
    return tuple(
        Objective(
            name,
            measure_key(config, name),
            "minimize" if name == "device_hours" else "maximize",
        )
        for name in (config.study.selection, *config.study.also_optimise)
    )


def values_of(config: StudyConfig, metrics: Mapping[str, float]) -> tuple[float, ...] | None:
    """The objectives of finished metrics; None if one is missing or not finite."""
    values = tuple(metrics.get(o.key, math.nan) for o in objectives(config))
    return values if all(math.isfinite(value) for value in values) else None


def violations(config: StudyConfig, metrics: Mapping[str, float]) -> dict[str, float]:
    """How far each limit is broken: positive where it is, at most 0 where it is kept.

    A measure that is missing breaks its limit.
    """
    found: dict[str, float] = {}
    for name, bound in config.study.constraints.items():
        value = metrics.get(measure_key(config, name), math.nan)
        for side, limit, sign in (("at_least", bound.at_least, -1), ("at_most", bound.at_most, 1)):
            if limit is not None:
                excess = sign * (value - limit)
                found[f"{name} {side} {limit:g}"] = 1.0 if math.isnan(excess) else excess
    return found
