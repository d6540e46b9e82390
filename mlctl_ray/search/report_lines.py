"""What the search prints: the plan before, the ranking after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from ..config import BASELINE, StudyConfig, join_levels, plain, to_yaml
from ..evaluation import keys
from .confirmation import BEST, RUNNER_UP
from .plan import StudyPlan
from .results import BudgetRow, StudyResult, TrialResult, spread_of


def print_plan(console: Console, config: StudyConfig, plan: StudyPlan) -> None:
    """The resolved configuration, the space and the plan."""
    console.print(to_yaml(config), markup=False, highlight=False, soft_wrap=True)
    space = Table("parameter", "domain", title="search space")
    for name, domain in config.study.space.items():
        fields = {k: v for k, v in plain(domain).items() if v is not None and v is not False}
        space.add_row(name, ", ".join(f"{k}: {v}" for k, v in fields.items()))
    console.print(space)
    scaling, study = config.scaling, config.study
    limits = {
        "hours": study.max_hours,
        "device-hours": study.max_device_hours,
        study.currency: study.max_cost,
    }
    shown = [f"{value:g} {what}" for what, value in limits.items() if value is not None]
    rows = {
        "trials": f"{plan.trials}, named variants first: {', '.join(config.study.known)}",
        "confirmation runs": str(plan.replicates),
        "resources of a trial": f"{scaling.workers} x ({scaling.cpus_per_worker} CPU + "
        f"{scaling.gpus_per_worker} GPU)",
        "trials at once": str(plan.concurrency),
        "parameters of the model": _number(plan.parameters, "{:,}"),
        "device-hours, at most": _number(plan.device_hours, "{:.2f} (an order of magnitude)"),
        "wall hours, at most": _number(plan.hours, "{:.2f}"),
        "cost, at most": _number(plan.cost, "{:.2f} " + config.study.currency),
        "limits": ", ".join(shown) or "none but the trials",
    }
    table = Table("what", "plan", title=f"study {config.study.name}")
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _number(value: float | None, form: str) -> str:
    return "unknown without the network" if value is None else form.format(value)


def print_result(console: Console, config: StudyConfig, result: StudyResult) -> None:
    """The ranking, the best trial's parameters, and the confirmation."""
    title = f"study {result.name}: trials by {config.study.selection} on validation"
    table = Table("rank", "trial", "variant", "state", "levels", "objective %", title=title)
    for rank, trial in enumerate(result.ranking, start=1):
        table.add_row(
            str(rank),
            str(trial.number),
            trial.variant or "",
            _state(trial),
            _levels(config, trial),
            f"{100 * trial.objective:.1f}",
        )
    console.print(table)
    if result.best is not None:
        line = f"best: trial {result.best.number} with {_parameters(result.best.parameters)}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    failed = [trial for trial in result.ranking if trial.error]
    for trial in failed:
        line = f"trial {trial.number} failed: {trial.error}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if result.replicates:
        console.print(_confirmation_table(config, result))
    console.print(_budget_table(result))


def _state(trial: TrialResult) -> str:
    if trial.state == "finished" and not trial.feasible:
        return "finished, breaks a limit"
    if trial.pareto and len(trial.values) > 1:
        return "finished, Pareto"
    return trial.state


def _budget_table(result: StudyResult) -> Table:
    title = f"plan and spent; the search ended by: {result.ended_by}"
    table = Table("what", "plan", "limit", "spent", title=title)
    for row in result.budget:
        table.add_row(
            row.what, *(_amount(row, value) for value in (row.plan, row.limit, row.spent))
        )
    return table


def _amount(row: BudgetRow, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if row.what in ("trials", "confirmation runs") else f"{value:.3f}"


def _levels(config: StudyConfig, trial: TrialResult) -> str:
    name = "objective.levels"
    return str(trial.parameters.get(name, join_levels(config.objective.levels)))


def _parameters(values: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def _confirmation_table(config: StudyConfig, result: StudyResult) -> Table:
    seeds = config.study.confirmation.replicates
    table = Table(
        "variant",
        "source %",
        "mean zero-shot %",
        "over seeds",
        title=f"confirmation on test, {seeds} seed{'s' if seeds > 1 else ''}",
    )
    source = keys.accuracy_key("test", config.task, config.data.nli.source)
    zero_shot = keys.mean_zero_shot_key("test", config.task)
    there = {replicate.variant for replicate in result.replicates}
    chosen = (name for name in (BEST, RUNNER_UP) if name in there)
    for variant in (*chosen, *config.study.confirmation.variants):
        label = f"{variant} (baseline)" if variant == BASELINE else variant
        sources = spread_of(result.replicates, variant, source)
        means = spread_of(result.replicates, variant, zero_shot)
        if not means:
            table.add_row(label, "failed", "failed", "")
            continue
        table.add_row(
            label,
            f"{100 * sum(sources) / len(sources):.1f}",
            f"{100 * sum(means) / len(means):.1f}",
            ", ".join(f"{100 * value:.1f}" for value in means),
        )
    return table
