"""The study's own run in the tracking store, and the observer that keeps its children's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ..config import StudyConfig, flatten, plain, to_yaml
from ..tracking import Publisher, Tracker
from .measures import measure_key, objectives
from .observer import Observer, State
from .protocol import TrialTask
from .results import BudgetRow


def begin_record(tracker: Tracker, config: StudyConfig, environment: str, *, resume: bool) -> str:
    """The run id of the study, made if it is not there; the publisher sets it running."""
    existing = tracker.find_study() if resume else None
    if existing is not None:
        tracker.set_tags(existing, _tags(config))
        return existing
    section = {name: value for name, value in plain(config.study).items() if name != "space"}
    params = flatten(config.run_tree()) | {
        f"study.{name}": value for name, value in flatten(section).items()
    }
    run = tracker.start_study(params, _tags(config))
    tracker.log_text(run, to_yaml(config), "config.yaml")
    tracker.log_text(run, environment, "environment.json")
    return run


def _tags(config: StudyConfig) -> dict[str, str]:
    nli, study = config.data.nli, config.study
    measured = objectives(config)
    tags = {
        "mlctl.task": config.task,
        "mlctl.source": nli.source,
        "mlctl.languages": ",".join((nli.source, *nli.targets)),
        "mlctl.selection": study.selection,
        "mlctl.objective_key": measured[0].key,
        "mlctl.space": json.dumps(list(study.space)),
        "mlctl.unreadable_threshold": str(config.evaluation.unreadable_threshold),
    }
    if len(measured) > 1:
        tags["mlctl.objectives"] = json.dumps([asdict(objective) for objective in measured])
    if study.constraints:
        tags["mlctl.constraints"] = json.dumps(
            [
                {"name": name, "key": measure_key(config, name), **_sides(plain(bound))}
                for name, bound in study.constraints.items()
            ]
        )
    return tags


def _sides(bound: Mapping[str, float | None]) -> dict[str, float]:
    return {side: limit for side, limit in bound.items() if limit is not None}


def budget_tag(rows: Sequence[BudgetRow], ended_by: str) -> dict[str, str]:
    """Plan and spent amounts as a tag."""
    held = {"rows": [asdict(row) for row in rows], "ended_by": ended_by}
    return {"mlctl.budget": json.dumps(held)}


class Publishing(Observer):
    """An observer that lets the tracking store follow."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def started(self, task: TrialTask) -> None:
        """The run is there."""
        self._publisher.changed(task.name)

    def reported(
        self, task: TrialTask, step: int, objective: float, metrics: Mapping[str, float]
    ) -> None:
        """The run has a new point."""
        self._publisher.changed(task.name)

    def retried(self, task: TrialTask, reason: str) -> None:
        """The run goes on."""
        self._publisher.changed(task.name)

    def ended(self, task: TrialTask, state: State, reason: str = "") -> None:
        """The run has a state."""
        self._publisher.changed(task.name)
