"""Metrics of a run by their key, where the study has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..tracking.records import RunRecord


def finite(value: float | None) -> float | None:
    """A finite number as it is, anything else as ``None``."""
    return value if value is not None and math.isfinite(value) else None


def metric(run: RunRecord, key: Callable[..., str], *parts: str | None) -> float | None:
    """The finite metric ``key(*parts)``; ``None`` if absent or if a part cannot be in a key."""
    if any(part is None for part in parts):
        return None
    try:
        return finite(run.metrics.get(key(*parts)))
    except InputError:
        return None
