"""What it is worth to tell Optuna PRUNED, not COMPLETE, for trials that ASHA stopped.

Run from the repository: ``python benchmarks/pruned_told.py --seeds 30``. docs/search.md holds its
tables.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import ray
import typer
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from scipy.stats import t, wilcoxon
from simulated_search import (
    SETTINGS,
    SPACE,
    TRIALS,
    WORKERS,
    Arm,
    Outcome,
    ProjectArm,
    RayArm,
    outcome,
)
from surrogates import SURROGATES, Premise, make_problem, premise

from mlctl_ray.config import StudyConfig
from mlctl_ray.report.statistics import holm
from mlctl_ray.search.proposal import make_sampler

Outcomes = Mapping[str, Mapping[str, Outcome]]
"""Of one seed, by surrogate and arm."""
OURS = "PRUNED told (mlctl-ray)"
ARMS: Mapping[str, Callable[[StudyConfig], Arm]] = {
    OURS: lambda config: ProjectArm(config, TrialState.PRUNED),
    "COMPLETE told (mlctl-ray else)": lambda config: ProjectArm(config, TrialState.COMPLETE),
    "COMPLETE told (OptunaSearch)": lambda config: RayArm(
        config, make_sampler(config, config.study.seed)
    ),
    "random search": lambda config: RayArm(config, RandomSampler(config.study.seed)),
}
MEASURES = ("chosen", "optuna_best", "late")


def outcomes(seed: int, trials: int = TRIALS) -> Outcomes:
    """Outcomes of a seed by surrogate and arm."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, Mapping[str, Outcome]] = {}
    for name, surrogate in SURROGATES.items():
        config = surrogate.config(seed, trials)
        problem = make_problem(config, name)
        found[name] = {arm: outcome(config, problem, make(config)) for arm, make in ARMS.items()}
    return found


def premises(seed: int) -> Mapping[str, Premise]:
    """What holds of the curves of a seed, by surrogate."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return {name: premise(seed, name) for name in SURROGATES}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`OURS` minus another arm, paired by seed, in points of accuracy.

    Attributes:
        low, high: 95% t interval of the mean.
        equal: seeds without a difference.
        p: Wilcoxon signed-rank, two-sided, zeros ranked (Pratt 1959).
        p_holm: the same after Holm over all comparisons.
    """

    surrogate: str
    measure: str
    other: str
    mean: float
    low: float
    high: float
    equal: int
    p: float
    p_holm: float


def compare(found: Sequence[Outcomes]) -> list[Comparison]:
    """All comparisons over the seeds, of which there are at least two."""
    rows: list[tuple[str, str, str]] = [
        (surrogate, measure, other)
        for surrogate in SURROGATES
        for measure in MEASURES
        for other in ARMS
        if other != OURS
    ]
    tests = [_paired(found, *row) for row in rows]
    adjusted = holm([test["p"] for test in tests])
    return [
        Comparison(*row, **test, p_holm=p)
        for row, test, p in zip(rows, tests, adjusted, strict=True)
    ]


def _paired(found: Sequence[Outcomes], surrogate: str, measure: str, other: str) -> dict[str, Any]:
    points = np.array(
        [
            100
            * (getattr(seed[surrogate][OURS], measure) - getattr(seed[surrogate][other], measure))
            for seed in found
        ]
    )
    mean, error = float(points.mean()), float(points.std(ddof=1)) / math.sqrt(len(points))
    half = float(t.ppf(0.975, len(points) - 1)) * error
    p = float(wilcoxon(points, zero_method="pratt").pvalue) if points.any() else 1.0
    equal = int(np.sum(points == 0))
    return {"mean": mean, "low": mean - half, "high": mean + half, "equal": equal, "p": p}


def arm_table(found: Sequence[Outcomes]) -> list[str]:
    """Means of every arm as Markdown."""
    lines = [
        "| curves | arm | chosen % | Optuna's best % | late % | stopped | ahead | evaluations "
        "| Optuna's best was stopped |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for surrogate in SURROGATES:
        for arm in ARMS:
            got = [seed[surrogate][arm] for seed in found]
            shares = " | ".join(f"{100 * _mean(got, measure):.2f}" for measure in MEASURES)
            counts = " | ".join(f"{_mean(got, count):.1f}" for count in ("stopped", "ahead"))
            lines.append(
                f"| {surrogate} | {arm} | {shares} | {counts} | {_mean(got, 'evaluations'):.0f} "
                f"| {sum(o.best_stopped for o in got)} of {len(got)} |"
            )
    return lines


def _mean(got: Sequence[Outcome | Premise], field: str) -> float:
    return float(np.mean([getattr(one, field) for one in got]))


def premise_table(found: Sequence[Mapping[str, Premise]]) -> list[str]:
    """What holds of the curves, over the seeds, as Markdown."""
    lines = [
        "| curves | Spearman, first rung and end: mean [least, most] | first rung above own end % "
        "| above every end % |",
        "|---|--:|--:|--:|",
    ]
    for surrogate in SURROGATES:
        got = [seed[surrogate] for seed in found]
        each = [one.correlation for one in got]
        lines.append(
            f"| {surrogate} | {_mean(got, 'correlation'):.2f} [{min(each):.2f}, {max(each):.2f}] "
            f"| {100 * _mean(got, 'above_own'):.0f} | {100 * _mean(got, 'above_all'):.0f} |"
        )
    return lines


def comparison_table(comparisons: Sequence[Comparison]) -> list[str]:
    """Paired differences as Markdown."""
    lines = [
        "| curves | measure | PRUNED told minus | points [95%] | equal seeds | p | p (Holm) |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {c.surrogate} | {c.measure.replace('_', ' ')} | {c.other} "
        f"| {c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}] | {c.equal} | {_p(c.p)} | {_p(c.p_holm)} |"
        for c in comparisons
    ]
    return lines


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables as Markdown; all outcomes go into the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="problems, at least 2")
    parser.add_argument(
        "--trials", type=int, default=TRIALS, help=f"of a search, at least {WORKERS}"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for every outcome and comparison")
    options = parser.parse_args(arguments)
    if options.seeds < 2 or options.trials < WORKERS or options.processes < 1:
        parser.error(f"allowed: --seeds 2, --trials {WORKERS}, --processes 1, or more of each")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"--json {options.json}: its folder does not exist")
    # Optuna's and Ray's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        found = list(pool.map(partial(outcomes, trials=options.trials), range(options.seeds)))
        curves = list(pool.map(premises, range(options.seeds)))
    comparisons = compare(found)
    tables = (premise_table(curves), arm_table(found), comparison_table(comparisons))
    for line in [line for table in tables for line in (*table, "")][:-1]:
        typer.echo(line)
    if options.json is not None:
        kept = {
            "versions": {"optuna": optuna.__version__, "ray": ray.__version__},
            "settings": {
                "space": SPACE.name,
                "changed": SETTINGS,
                "trials": options.trials,
                "workers": WORKERS,
                "surrogates": {
                    name: {"selection": one.selection, "schedules": one.schedules}
                    for name, one in SURROGATES.items()
                },
            },
            "premises": [{s: asdict(one) for s, one in seed.items()} for seed in curves],
            "outcomes": [
                {s: {arm: asdict(o) for arm, o in arms.items()} for s, arms in seed.items()}
                for seed in found
            ],
            "comparisons": [asdict(comparison) for comparison in comparisons],
        }
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
