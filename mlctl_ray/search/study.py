"""A study from its configuration to its result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search import Searcher

from ..config import StudyConfig, flatten, plain, to_yaml
from ..errors import StudyFailure
from ..tracking import RunState, StudyReader, Tracker, environment_record
from ..tracking.uri import redacted
from .checks import check_study
from .cluster import connected, run_tasks
from .confirmation import ListedTasks, confirmation_tasks, read_replicate
from .plan import make_plan
from .recorder import Recorder
from .results import ReplicateResult, StudyResult, TrialResult, rank_trials
from .searcher import StudySearcher
from .settling import INTERRUPTED, settle
from .stopping import make_asha
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
    uri = check_study(config, resume=resume, address=address, tracking_uri=tracking_uri)
    folder = StudyFolder.of(config)
    with connected(address) as nodes:
        plan = make_plan(config, nodes)
        study = open_study(config, folder, resume=resume)
        tracker = Tracker(uri, config.study.name)
        environment = json.dumps(environment_record(), indent=1, sort_keys=True)
        record = _start(tracker, config, environment, resume=resume)
        say(
            f"study {config.study.name}: {plan.trials} trials, {plan.concurrency} at once; "
            f"tracking {redacted(uri)}"
        )
        with _ended(tracker, record):
            children = settle(tracker, StudyReader(uri), study, folder) if resume else ()
            session = _Session(
                config=config,
                folder=folder,
                tracker=tracker,
                record=record,
                environment=environment,
                concurrency=plan.concurrency,
                say=say,
                begun={run.name: run.run_id for run in children},
                finished=frozenset(r.name for r in children if r.state is RunState.FINISHED),
            )
            _search(session, study)
            ranking = rank_trials(study, config)
            replicates = _confirm(session, ranking)
    return StudyResult(config.study.name, uri, str(folder.root), ranking, replicates)


@contextmanager
def _ended(tracker: Tracker, record: str) -> Iterator[None]:
    """End the study's run in its true state, and with it every run that was cut off."""
    state = RunState.FAILED
    try:
        yield
        state = RunState.FINISHED
    finally:
        for run in tracker.open_runs(record):
            tracker.finish(run.run_id, RunState.FAILED, error=INTERRUPTED)
        tracker.finish(record, state)


@dataclass(frozen=True, slots=True)
class _Session:
    """What both stages of a study share.

    Attributes:
        record: run id of the study.
        begun: run ids of children that an earlier driver began, by name.
        finished: names of the children among them that came to their end.
    """

    config: StudyConfig
    folder: StudyFolder
    tracker: Tracker
    record: str
    environment: str
    concurrency: int
    say: Say
    begun: Mapping[str, str]
    finished: frozenset[str]

    def recorder(self) -> Recorder:
        """A recorder of one stage."""
        return Recorder(self.tracker, self.record, self.environment, self.say, self.begun)

    def run(
        self,
        name: str,
        recorder: Recorder,
        searcher: Searcher,
        samples: int,
        asha: AsyncHyperBandScheduler | None,
    ) -> None:
        """Let Tune execute one stage."""
        run_tasks(
            name=name,
            folder=self.folder,
            scaling=self.config.scaling,
            objective_key=objective_key(self.config, self.config.study.selection),
            recorder=recorder,
            searcher=searcher,
            samples=samples,
            asha=asha,
        )


def _start(tracker: Tracker, config: StudyConfig, environment: str, *, resume: bool) -> str:
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
    tracker.log_text(run, environment, "environment.json")
    return run


def _search(session: _Session, study: optuna.Study) -> None:
    config = session.config
    recorder = session.recorder()
    searcher = StudySearcher(
        study, config, session.folder, session.concurrency, refused=recorder.refused
    )
    remaining = searcher.remaining()
    if remaining:
        session.run("search", recorder, searcher, remaining, make_asha(config))


def _confirm(session: _Session, ranking: tuple[TrialResult, ...]) -> tuple[ReplicateResult, ...]:
    best = next((trial for trial in ranking if trial.state == "finished"), None)
    if best is None:
        raise StudyFailure(
            f"study {session.config.study.name!r}: no trial came to its end; the reasons are in "
            "the tracking store under mlctl.error"
        )
    session.tracker.set_tags(session.record, {"mlctl.best_trial": str(best.number)})
    tasks = confirmation_tasks(session.config, best, session.folder)
    waiting = [task for task in tasks if task.name not in session.finished]
    if waiting:
        session.say(f"confirmation: {len(waiting)} runs on the test split")
        searcher = ListedTasks(waiting, session.concurrency)
        session.run("confirmation", session.recorder(), searcher, len(waiting), None)
    return tuple(read_replicate(task) for task in tasks)
