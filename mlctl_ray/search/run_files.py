"""What a run leaves in its folder for the driver."""

from __future__ import annotations

import json
from pathlib import Path

from ..training.record import METRICS


def final_metrics(folder: Path) -> dict[str, float] | None:
    """The metrics of a run that came to its end; None if it has not."""
    file = folder / METRICS
    if not file.is_file():
        return None
    metrics: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return metrics
