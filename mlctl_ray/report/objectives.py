"""Objectives, constraints and budget of a study, read from the tags of its run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from .values import Budget, BudgetRow, Constraint, Objective

OBJECTIVES = "mlctl.objectives"
CONSTRAINTS = "mlctl.constraints"
BUDGET = "mlctl.budget"


def objectives_of(tags: Mapping[str, str]) -> tuple[Objective, ...]:
    """Two or more objectives; empty for a study with one, or with a tag that is not ours."""
    found = tuple(
        Objective(
            key=str(entry["key"]),
            direction="minimize" if entry.get("direction") == "minimize" else "maximize",
            name=str(entry.get("name", entry["key"])),
        )
        for entry in _entries(tags, OBJECTIVES)
        if "key" in entry
    )
    return found if len(found) > 1 else ()


def constraints_of(tags: Mapping[str, str]) -> tuple[Constraint, ...]:
    """The bounds that a trial must keep."""
    return tuple(
        Constraint(
            name=str(entry.get("name", entry["key"])),
            key=str(entry["key"]),
            at_least=_number(entry.get("at_least")),
            at_most=_number(entry.get("at_most")),
        )
        for entry in _entries(tags, CONSTRAINTS)
        if "key" in entry
    )


def budget_of(tags: Mapping[str, str]) -> Budget | None:
    """Plan and spent; ``None`` without the tag."""
    content = _json(tags, BUDGET)
    if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
        return None
    ended_by = content.get("ended_by")
    return Budget(
        rows=tuple(
            BudgetRow(
                what=str(row.get("what", "")),
                plan=_number(row.get("plan")),
                spent=_number(row.get("spent")),
                limit=_number(row.get("limit")),
            )
            for row in content["rows"]
            if isinstance(row, dict)
        ),
        ended_by=None if ended_by is None else str(ended_by),
    )


def is_accuracy(key: str) -> bool:
    """Whether a metric is a share of right answers, which is shown in %."""
    name = key.rpartition("/")[2]
    return name == "accuracy" or name.startswith("mean")


def _entries(tags: Mapping[str, str], name: str) -> list[dict[str, Any]]:
    content = _json(tags, name)
    if not isinstance(content, list):
        return []
    return [entry for entry in content if isinstance(entry, dict)]


def _json(tags: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(tags.get(name, "null"))
    except ValueError:
        return None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
