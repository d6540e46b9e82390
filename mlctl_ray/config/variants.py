"""The named variants of the objective (method.md, section 8): settings, not code paths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def _variant(levels: str, offset: float | None = None) -> Mapping[str, Any]:
    settings: dict[str, Any] = {"objective.levels": levels}
    if offset is not None:
        settings |= {f"objective.{level}.offset": offset for level in levels.split("+")}
    return MappingProxyType(settings)


BASELINE = "none"
"""The variant that every effect is measured against: the task loss only."""

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        BASELINE: _variant("none"),
        "info-snt": _variant("sentence", 0.0),
        "cz-snt": _variant("sentence", math.inf),
        "info-word": _variant("word", 0.0),
        "cz-word": _variant("word", math.inf),
        "ml-ctl-info": _variant("multi", 0.0),
        "ml-ctl-cz": _variant("multi", math.inf),
        "la-ml-ctl-cz": _variant("multi+label", math.inf),
    }
)
"""Dotted configuration names and values of each named variant."""
