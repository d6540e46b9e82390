"""The ranking of the trials."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..config import LEVELS
from ..evaluation.keys import DEVICE_HOURS, accuracy_key, mean_zero_shot_key
from .metrics import finite, metric
from .objectives import constraints_of, objectives_of
from .values import Objective, Search, Trial

if TYPE_CHECKING:
    from ..tracking.records import RunRecord, StudyRecord

_ORDER = ("finished", "pruned", "running", "interrupted", "failed")
_VARIANT_TAG = "mlctl.variant"
_PARETO_TAG = "mlctl.pareto"
_FEASIBLE_TAG = "mlctl.feasible"


def search_of(record: StudyRecord, task: str | None, source: str | None) -> Search:
    """Finished trials by their objective, then pruned, running, interrupted and failed ones.

    Of the finished ones, those that break a constraint come last and have no rank.
    """
    key = record.study.tags.get("mlctl.objective_key")
    parameters = searched_parameters(record)
    objectives = objectives_of(record.study.tags)
    smaller = any(o.key == key and o.direction == "minimize" for o in objectives)

    def order(run: RunRecord) -> tuple[int, bool, float, int]:
        objective = finite(run.metrics.get(key)) if key else None
        state = str(run.state)
        return (
            _ORDER.index(state) if state in _ORDER else len(_ORDER),
            not _feasible(run),
            math.inf if objective is None else objective if smaller else -objective,
            run.number if run.number is not None else -1,
        )

    ordered = sorted(latest_trials(record), key=order)
    trials = tuple(
        _trial(run, rank, key, parameters, objectives, task, source)
        for rank, run in enumerate(ordered, start=1)
    )
    hours = [
        value
        for run in (*record.trials, *record.replicates)
        if (value := finite(run.metrics.get(DEVICE_HOURS))) is not None
    ]
    return Search(
        objective_key=key,
        best_trial=best_trial(record.study.tags, trials),
        parameters=parameters,
        trials=trials,
        states=dict(Counter(trial.state for trial in trials)),
        device_hours=sum(hours) if hours else None,
        objectives=objectives,
        constraints=constraints_of(record.study.tags),
        pareto=tuple(trial.number for trial in trials if objectives and trial.pareto),
    )


def searched_parameters(record: StudyRecord) -> tuple[str, ...]:
    """Dotted names from the study's tag; parameters that differ between trials without it."""
    try:
        names = json.loads(record.study.tags.get("mlctl.space", ""))
        if isinstance(names, list):
            return tuple(str(name) for name in names)
    except ValueError:
        pass
    values: dict[str, set[str]] = {}
    for run in record.trials:
        for name, value in run.params.items():
            values.setdefault(name, set()).add(value)
    return tuple(sorted(name for name, seen in values.items() if len(seen) > 1 and name != "seed"))


def best_trial(tags: Mapping[str, str], trials: tuple[Trial, ...]) -> int | None:
    """The number that the search recorded, else the first of the ranking."""
    recorded = tags.get("mlctl.best_trial", "")
    if recorded.isdecimal():
        return int(recorded)
    ranked = [trial.number for trial in trials if trial.rank and trial.objective is not None]
    return ranked[0] if ranked else None


def latest_trials(record: StudyRecord) -> tuple[RunRecord, ...]:
    """One run for each number: the one started last, where a trial was started again."""
    return tuple({run.number if run.number is not None else run.run_id: run
                  for run in record.trials}.values())  # fmt: skip


def variant_of(run: RunRecord) -> str | None:
    """The named variant that a trial or replicate came from."""
    return run.variant or run.tags.get(_VARIANT_TAG)


def _trial(
    run: RunRecord,
    rank: int,
    key: str | None,
    parameters: tuple[str, ...],
    objectives: tuple[Objective, ...],
    task: str | None,
    source: str | None,
) -> Trial:
    objective = finite(run.metrics.get(key)) if key else None
    feasible = _feasible(run)
    ranked = run.state == "finished" and objective is not None and feasible
    return Trial(
        rank=rank if ranked else None,
        number=run.number if run.number is not None else -1,
        state=str(run.state),
        variant=variant_of(run),
        objective=objective,
        source=metric(run, accuracy_key, "validation", task, source),
        mean_zero_shot=metric(run, mean_zero_shot_key, "validation", task),
        device_hours=metric(run, lambda: DEVICE_HOURS),
        parameters=tuple(
            run.params.get(name) if _takes_part(name, run.params) else None for name in parameters
        ),
        objectives=tuple(finite(run.metrics.get(o.key)) for o in objectives),
        feasible=feasible,
        pareto=run.tags.get(_PARETO_TAG) == "true",
    )


def _feasible(run: RunRecord) -> bool:
    return run.tags.get(_FEASIBLE_TAG) != "false"


def _takes_part(name: str, params: Mapping[str, str]) -> bool:
    """Whether a parameter matters in a trial: those of a level do only where the level is on."""
    section, _, rest = name.partition(".")
    level = rest.partition(".")[0]
    levels = params.get("objective.levels", "").split("+")
    known = set(levels) <= {*LEVELS, "none"}
    return section != "objective" or level not in LEVELS or not known or level in levels
