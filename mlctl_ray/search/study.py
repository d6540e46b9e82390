"""A study from its configuration to its result."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import optuna
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search import Searcher

from ..config import StudyConfig, flatten, plain, to_yaml
from ..errors import StudyFailure
from ..tracking import RunState, StudyReader, Tracker, environment_record
from .checks import check_study
from .cluster import connected, run_tasks
from .confirmation import confirmation_tasks, read_replicate
from .plan import make_plan
from .protocol import OBJECTIVE, STEP, TrialTask
from .recorder import Recorder
from .results import ReplicateResult, StudyResult, TrialResult, rank_trials
from .searcher import StudySearcher
from .storage import StudyFolder, open_study
from .trainable import objective_key

Say = Callable[[str], None]


def run_study(
    config: StudyConfig,
    *,
    resume: bool = False,
    address: str | None = None,
    tracking_uri: str | None = None,
    say: Say = lambda line: None,
) -> StudyResult:
    """Search, track and confirm.

    Args:
        config: the study.
        resume: go on with the study of this name.
        address: a running Ray cluster; default RAY_ADDRESS, else this machine.
        tracking_uri: default MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working directory.
        say: takes progress lines.

    Raises:
        InputError: something is wrong with the input; nothing was started.
        StudyFailure: no trial came to its end.
    """
    uri = check_study(config, resume=resume, tracking_uri=tracking_uri)
    folder = StudyFolder.of(config)
    with connected(address) as nodes:
        plan = make_plan(config, nodes)
        study = open_study(config, folder, resume=resume)
        tracker = Tracker(uri, config.study.name)
        record = _start(tracker, config, resume=resume)
        say(
            f"study {config.study.name}: {plan.trials} trials, {plan.concurrency} at once; "
            f"tracking {uri}"
        )
        state = RunState.FAILED
        try:
            _search(config, study, folder, tracker, record, plan.concurrency, uri, say)
            ranking = rank_trials(study, config)
            replicates = _confirm(config, folder, tracker, record, plan.concurrency, ranking, say)
            state = RunState.FINISHED
        finally:
            tracker.finish(record, state)
    return StudyResult(config.study.name, uri, str(folder.root), ranking, replicates)


def _start(tracker: Tracker, config: StudyConfig, *, resume: bool) -> str:
    nli, study = config.data.nli, config.study
    tags = {
        "mlctl.task": config.task,
        "mlctl.source": nli.source,
        "mlctl.languages": ",".join((nli.source, *nli.targets)),
        "mlctl.selection": study.selection,
        "mlctl.objective_key": objective_key(config, study.selection),
        "mlctl.space": json.dumps(list(study.space)),
        "mlctl.unreadable_threshold": str(config.evaluation.unreadable_threshold),
    }
    existing = tracker.find_study() if resume else None
    if existing is not None:
        tracker.resume(existing)
        tracker.set_tags(existing, tags)
        return existing
    params = flatten(config.run_tree()) | {
        f"study.{name}": value
        for name, value in flatten({k: v for k, v in plain(study).items() if k != "space"}).items()
    }
    run = tracker.start_study(params, tags)
    tracker.log_text(run, to_yaml(config), "config.yaml")
    tracker.log_text(run, _environment(), "environment.json")
    return run


def _environment() -> str:
    return json.dumps(environment_record(), indent=1, sort_keys=True)


def _search(
    config: StudyConfig,
    study: optuna.Study,
    folder: StudyFolder,
    tracker: Tracker,
    record: str,
    concurrency: int,
    uri: str,
    say: Say,
) -> None:
    searcher = StudySearcher(study, config, folder, concurrency)
    remaining = searcher.remaining()
    if not remaining:
        return
    known = {
        run.number: run.run_id
        for run in StudyReader(uri).read(config.study.name).trials
        if run.number is not None
    }
    hours = config.study.max_hours
    run_tasks(
        name="search",
        folder=folder,
        scaling=config.scaling,
        objective_key=objective_key(config, config.study.selection),
        recorder=Recorder(tracker, record, _environment(), say, known),
        searcher=searcher,
        samples=remaining,
        scheduler=_scheduler(config),
        seconds=None if hours is None else hours * 3600,
    )


def _scheduler(config: StudyConfig) -> AsyncHyperBandScheduler | None:
    asha, every = config.study.asha, config.optimisation.evaluate_every
    if asha is None or every is None:
        return None
    return AsyncHyperBandScheduler(
        time_attr=STEP,
        metric=OBJECTIVE,
        mode="max",
        max_t=config.optimisation.steps,
        grace_period=min(asha.grace_evaluations * every, config.optimisation.steps),
        reduction_factor=asha.reduction_factor,
    )


def _confirm(
    config: StudyConfig,
    folder: StudyFolder,
    tracker: Tracker,
    record: str,
    concurrency: int,
    ranking: tuple[TrialResult, ...],
    say: Say,
) -> tuple[ReplicateResult, ...]:
    best = next((trial for trial in ranking if trial.state == "finished"), None)
    if best is None:
        raise StudyFailure(
            f"study {config.study.name!r}: no trial came to its end; the reasons are in the "
            "tracking store under mlctl.error"
        )
    tracker.set_tags(record, {"mlctl.best_trial": str(best.number)})
    tasks = confirmation_tasks(config, best, folder)
    waiting = [task for task in tasks if read_replicate(task).metrics is None]
    if waiting:
        say(f"confirmation: {len(waiting)} runs on the test split")
        run_tasks(
            name="confirmation",
            folder=folder,
            scaling=config.scaling,
            objective_key=objective_key(config, config.study.selection),
            recorder=Recorder(tracker, record, _environment(), say),
            searcher=_Listed(waiting, concurrency),
            samples=len(waiting),
        )
    return tuple(read_replicate(task) for task in tasks)


class _Listed(Searcher):
    """Hands out a fixed list of tasks."""

    def __init__(self, tasks: list[TrialTask], concurrency: int) -> None:
        super().__init__(metric=OBJECTIVE, mode="max")
        self._waiting = list(tasks)
        self._concurrency = concurrency
        self._live: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self._live) >= self._concurrency:
            return None
        if not self._waiting:
            return str(Searcher.FINISHED)
        self._live.add(trial_id)
        return self._waiting.pop(0).to_config()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self._live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: finished replicates are known by their metrics."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: finished replicates are known by their metrics."""
