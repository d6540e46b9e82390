"""Plan, limits and spent amounts of a study side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..config import StudyConfig
from ..evaluation.keys import DEVICE_HOURS
from . import attributes as names
from .book import Book
from .budget import Spent
from .confirmation import confirmation_begun, confirmation_tasks, replicate_note
from .folder import StudyFolder
from .plan import StudyPlan
from .results import BudgetRow, ReplicateResult
from .storage import load_study


def keep_plan(book: Book, plan: StudyPlan) -> None:
    """Keep the plan of the study's first driver, unless there is one."""
    if book.note(names.PLAN) is None:
        book.write_note(names.PLAN, asdict(plan))


def plan_of_complete(config: StudyConfig, folder: StudyFolder) -> StudyPlan | None:
    """The plan of a study whose confirmation has ended; None for any other."""
    book = Book(config, load_study(config, folder))
    begun, plan = confirmation_begun(book), book.note(names.PLAN)
    if begun is None or plan is None:
        return None
    tasks = confirmation_tasks(config, begun, book, folder)
    if any(replicate_note(book, task.name)["state"] == "running" for task in tasks):
        return None
    return StudyPlan(**plan)


def budget_rows(
    config: StudyConfig, book: Book, spent: Spent, replicates: tuple[ReplicateResult, ...]
) -> tuple[BudgetRow, ...]:
    """What was planned, what was allowed, and what it took."""
    plan: dict[str, Any] = book.note(names.PLAN) or {}
    study = config.study
    confirmed = sum((r.metrics or {}).get(DEVICE_HOURS, 0.0) for r in replicates)
    device_hours = spent.device_hours + confirmed
    rows = [
        BudgetRow("trials", plan.get("trials"), study.trials, spent.trials),
        BudgetRow("confirmation runs", plan.get("replicates"), None, len(replicates)),
        BudgetRow("hours of search", plan.get("hours"), study.max_hours, spent.hours),
        BudgetRow("device-hours", plan.get("device_hours"), study.max_device_hours, device_hours),
    ]
    if study.price_per_device_hour:
        cost = device_hours * study.price_per_device_hour
        what = f"cost in {study.currency}"
        rows.append(BudgetRow(what, plan.get("cost"), study.max_cost, cost))
    return tuple(rows)
