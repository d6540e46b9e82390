"""A study without Ray: trials that a formula stands for, run through the desk by Tune's calls."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import yaml
from small_study import TINY

from mlctl_ray.config import StudyConfig, validate
from mlctl_ray.evaluation import keys
from mlctl_ray.search.book import Book, Clock
from mlctl_ray.search.faults import Fault
from mlctl_ray.search.folder import StudyFolder
from mlctl_ray.search.interrupt import Interruption
from mlctl_ray.search.measures import objectives
from mlctl_ray.search.protocol import TrialTask, to_fault, to_pause, to_result
from mlctl_ray.search.search_stage import SearchStage
from mlctl_ray.search.stage import Stage
from mlctl_ray.search.storage import make_study, repair_journal
from mlctl_ray.search.tune_seam import Desk
from mlctl_ray.training.fence import Fence
from mlctl_ray.training.record import METRICS
from mlctl_ray.training.reports import Report, append_report, read_reports
from mlctl_ray.training.requests import request_file

HOURS_PER_STEP = 0.125


def simulated(folder: Path, changes: Mapping[str, Any] | None = None) -> StudyConfig:
    """The configuration of a simulated study whose runs lie in a folder."""
    tree = yaml.safe_load(TINY)
    section = tree["study"]
    space = section["space"]
    space["optimisation.learning_rate"] = {"type": "log_float", "low": 1e-4, "high": 1e-1}
    space["model.freeze_layers"] = {"type": "categorical", "choices": [0, 1, 5]}
    section |= {"trials": 9, "startup_trials": 3, "storage": str(folder)}
    section["asha"] = {"grace_evaluations": 1, "reduction_factor": 2}
    tree["optimisation"]["steps"] = 8
    for name, value in (changes or {}).items():
        _put(tree, name, value)
    return validate(StudyConfig, tree, "test")


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    if name.startswith("study.space."):
        tree["study"]["space"][name.removeprefix("study.space.")] = value
        return
    *sections, last = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = value


@dataclass
class Watcher:
    """An observer that keeps what it is told."""

    told: list[tuple[str, str, str]] = field(default_factory=list)

    def started(self, task: TrialTask) -> None:
        self.told.append((task.name, "started", ""))

    def reported(
        self, task: TrialTask, step: int, objective: float, metrics: Mapping[str, float]
    ) -> None:
        self.told.append((task.name, "reported", str(step)))

    def retried(self, task: TrialTask, reason: str) -> None:
        self.told.append((task.name, "retried", reason))

    def ended(self, task: TrialTask, state: str, reason: str = "") -> None:
        self.told.append((task.name, state, reason))

    def of(self, *events: str) -> list[tuple[str, str, str]]:
        """What was told of some kinds."""
        return [line for line in self.told if line[1] in events]


class Driver:
    """One driver of a study, from the opening of its book."""

    def __init__(self, config: StudyConfig, examples: int = 30) -> None:
        self.config = config
        self.folder = StudyFolder.of(config)
        self.folder.root.mkdir(parents=True, exist_ok=True)
        repair_journal(self.folder.journal)
        self.book = Book(config, make_study(config, self.folder))
        self.watcher = Watcher()
        self.clock = Clock(self.book)
        self.examples = examples

    def stage(self) -> SearchStage:
        """The search stage as this driver finds it."""
        return SearchStage(self.book, self.folder, self.clock, self.watcher, self.examples)


def accuracy(run: Mapping[str, Any], step: int) -> float:
    """Accuracy of a simulated run: a function of its configuration and step."""
    rate = math.log10(run["optimisation"]["learning_rate"])
    level = run["objective"]["sentence"]
    aligned = run["objective"]["levels"] == "sentence"
    bonus = 0.1 - 0.05 * abs(math.log10(level["temperature"]) + 1) if aligned else 0.0
    text = json.dumps(run, sort_keys=True, default=str).encode()
    noise = int.from_bytes(hashlib.sha256(text).digest()[:4], "big") / 2**32 / 50
    top = 0.75 + bonus - 0.06 * (rate + 2.5) ** 2 + noise
    return 1 / 3 + (top - 1 / 3) * (1 - 2 ** (-step / 3))


def metrics_at(config: StudyConfig, run: Mapping[str, Any], step: int) -> dict[str, float]:
    """The metrics that a simulated run reports at a step."""
    value = accuracy(run, step)
    splits = ("validation", "test")
    found = {keys.DEVICE_HOURS: HOURS_PER_STEP * step}
    for split in splits:
        for index, language in enumerate(config.data.nli.languages):
            found[keys.accuracy_key(split, config.task, language)] = value - index / 100
        found[keys.mean_zero_shot_key(split, config.task)] = value - 0.015
        found[keys.mean_key(split, keys.RETRIEVAL)] = value / 2
    return found


class Run:
    """One execution of a task; it leaves in its folder what the trainer leaves there."""

    def __init__(self, config: StudyConfig, task: TrialTask) -> None:
        self.task = task
        self._config = config
        self._folder = Path(task.folder)
        self._fence = Fence(self._folder, task.token)
        self._key = objectives(config)[0].key
        self._every = int(task.run["optimisation"]["evaluate_every"])
        kept = read_reports(self._folder) if task.resume else ()
        # A checkpoint may be one evaluation older than the last report.
        self.done = max(0, kept[-1].step - self._every) if kept else 0

    def go_on(self) -> dict[str, Any]:
        """Train to the next evaluation and give Tune's result."""
        self._fence.check()
        if request_file(self._folder).exists():
            return to_pause(self.done)
        ended = self._folder / METRICS
        if self.task.resume and ended.is_file():
            metrics = json.loads(ended.read_text(encoding="utf-8"))
            return to_result(Report(self.task.steps, True, metrics), self._key)
        self.done = min(self.done + self._every, self.task.steps)
        final = self.done == self.task.steps
        report = Report(self.done, final, metrics_at(self._config, self.task.run, self.done))
        append_report(self._folder, report)
        if final:
            ended.write_text(json.dumps(report.metrics), encoding="utf-8")
        return to_result(report, self._key)


@dataclass
class World:
    """What outlives a driver beside the disk: faults that are still to come.

    Attributes:
        faults: by name of a run and the step after which it has them, each once, in turn; one of
            the configuration comes again.
    """

    faults: dict[tuple[str, int], list[Fault]] = field(default_factory=dict)

    def fault(self, run: Run) -> Fault | None:
        """The fault that an execution has now."""
        waiting = self.faults.get((run.task.name, run.done))
        if not waiting or waiting[0] is Fault.CONFIGURATION:
            return waiting[0] if waiting else None
        return waiting.pop(0)


def desk_of(stage: Stage, at_once: int = 1, *, cooperative: bool = False) -> Desk:
    """A desk with places for some runs."""
    return Desk(
        stage, Interruption(), lambda: at_once, cooperative=cooperative, log=Path("driver.log")
    )


def drive(config: StudyConfig, desk: Desk, world: World | None = None) -> str | None:
    """Make the calls that Tune makes until the stage is over; why it is.

    Which run goes on next is a function of how far each has come.
    """
    world = world or World()
    live: dict[str, Run] = {}
    count = 0
    while True:
        found = desk.next(str(count))
        if isinstance(found, TrialTask):
            live[str(count)] = Run(config, found)
            desk.guarded(lambda task=found: desk.stage.started(task), None)
            count += 1
            continue
        if not live:
            if desk.defect is not None:
                raise desk.defect
            return desk.over
        trial_id = min(live, key=lambda name: (live[name].done, live[name].task.name))
        if _executed(desk, trial_id, live[trial_id], world):
            del live[trial_id]


def _executed(desk: Desk, trial_id: str, run: Run, world: World) -> bool:
    """One result of one run, or its fault; whether the execution has ended."""
    fault = world.fault(run)
    if fault is Fault.LOST:
        desk.lost[trial_id] = "the machine went away"
        desk.ended(trial_id, None, True)
        return True
    result = run.go_on() if fault is None else to_fault(fault, f"a {fault} fault")
    stop = desk.report(trial_id, result)
    if not (stop or fault or result["final"] or result.get("paused")):
        return False
    desk.ended(trial_id, result, fault is Fault.ERROR)
    return True


def search(config: StudyConfig, *, at_once: int = 1, world: World | None = None) -> Driver:
    """Drive a study's search to its end in a driver of its own."""
    driver = Driver(config)
    drive(config, desk_of(driver.stage(), at_once), world)
    return driver


def shape(trials: list[optuna.trial.FrozenTrial]) -> list[tuple[Any, ...]]:
    """What a study knows of its trials, times and attempts left out."""
    return [
        (
            trial.number,
            trial.state.name,
            trial.params,
            trial.values,
            trial.intermediate_values,
            dict(trial.constraints),
            {k: v for k, v in trial.user_attrs.items() if k != "mlctl_attempts"},
        )
        for trial in trials
    ]
