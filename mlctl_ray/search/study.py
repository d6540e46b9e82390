"""A study from its configuration to its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from ..config import StudyConfig
from ..errors import StudyFailure
from . import attributes as names
from .accounts import budget_rows, plan_of_complete
from .board import Totals
from .book import Clock
from .checks import check_study, validation_examples
from .cluster import connected
from .confirmation import (
    ConfirmationPlan,
    ConfirmationStage,
    confirmation_begun,
    confirmation_tasks,
    make_confirmation,
    read_replicate,
    replicate_note,
)
from .folder import StudyFolder, only_driver
from .interrupt import interruption
from .keeping import export_best, register_best
from .logs import logged_to
from .nodes import check_shared
from .plan import StudyPlan, make_plan
from .record import budget_tag
from .results import ReplicateResult, StudyResult, TrialResult, rank_trials
from .search_stage import SearchStage
from .session import PATIENCE_S, Session, begin, ended
from .warm_start import import_trials


def run_study(
    config: StudyConfig,
    *,
    resume: bool = False,
    warm_start: str | None = None,
    address: str | None = None,
    tracking_uri: str | None = None,
    console: Console | None = None,
) -> StudyResult:
    """Search, track, confirm, and keep the best model.

    Args:
        config: the study.
        resume: go on with the study of this name.
        warm_start: name of a study whose results inform the sampler of this new one.
        address: a running Ray cluster; default RAY_ADDRESS, else this machine.
        tracking_uri: default MLFLOW_TRACKING_URI, else ``mlflow.db`` in the working directory.
        console: where progress is shown; default nowhere.

    Raises:
        InputError: something is wrong with the input; nothing was started.
        StudyFailure: no trial came to its end.
        Failure: the disk is full, or results wait on disk for a tracking store that is away; what
            was computed is kept, and ``resume`` goes on.
        StudyInterrupted: it was asked to end.
    """
    uri = check_study(
        config, resume=resume, warm_start=warm_start, address=address, tracking_uri=tracking_uri
    )
    folder = StudyFolder.of(config)
    with ExitStack() as stack:
        stack.enter_context(only_driver(folder))
        plan = stack.enter_context(_planned(config, folder, address, resume=resume))
        # After Ray's start, which sets a handler of its own that aborts at SIGTERM.
        asked = stack.enter_context(interruption())
        stack.enter_context(logged_to(folder.log))
        shown = console or Console(quiet=True)
        session = begin(
            config, folder, plan, uri, shown, asked, resume=resume, warm_start=warm_start
        )
        with ended(session):
            line = import_trials(session.book)
            if line is not None:
                session.progress.say(line)
            return _run(session)


@contextmanager
def _planned(
    config: StudyConfig, folder: StudyFolder, address: str | None, *, resume: bool
) -> Iterator[StudyPlan]:
    """The plan, on a connected cluster; without one where nothing is left to run."""
    done = plan_of_complete(config, folder) if resume else None
    if done is not None:
        yield done
        return
    with connected(address) as nodes:
        plan = make_plan(config, nodes)
        check_shared(folder.root)
        yield plan


def _run(session: Session) -> StudyResult:
    config, book = session.config, session.book
    clock = Clock(book)
    stage = SearchStage(book, session.folder, clock, session.observer, validation_examples(config))
    ended_by = _search(session, stage)
    clock.stop()
    ranking = rank_trials(book.own_trials(), config)
    best = next((trial for trial in ranking if trial.eligible), None)
    if best is None:
        raise StudyFailure(_no_choice(config, ranking))
    session.publisher.set_study_tags({"mlctl.best_trial": str(best.number)})
    replicates = _confirm(session, stage.spent.device_hours)
    rows = budget_rows(config, book, stage.spent, replicates)
    session.publisher.set_study_tags(budget_tag(rows, ended_by))
    model = _keep_best(session, best)
    return StudyResult(
        name=config.study.name,
        tracking_uri=session.uri,
        folder=str(session.folder.root),
        ranking=ranking,
        replicates=replicates,
        ended_by=ended_by,
        budget=rows,
        model=model,
    )


def _search(session: Session, stage: SearchStage) -> str:
    """Search until a limit is reached, unless an earlier driver did and confirmation has begun."""
    before: str | None = session.book.note(names.ENDED_BY)
    if before is not None and confirmation_begun(session.book) is not None:
        session.progress.say(f"the search ended by {before}; its confirmation has begun")
        return before
    with session.progress.stage(lambda: _totals(session, stage)):
        ended_by = session.run(stage, "search")
    session.book.write_note(names.ENDED_BY, ended_by)
    for name in session.documents.names():
        session.publisher.changed(name)
    return ended_by


def _confirm(session: Session, hours_before: float) -> tuple[ReplicateResult, ...]:
    config, book = session.config, session.book
    if not config.study.confirmation.replicates:
        return ()
    plan = confirmation_begun(book) or _begin_confirmation(session)
    tasks = confirmation_tasks(config, plan, book, session.folder)
    session.documents.add_replicates(tasks)
    stage = ConfirmationStage(book, tasks, session.observer)
    if stage.waiting:
        session.progress.say(f"confirmation: {stage.waiting} runs on the test split")

        def totals() -> Totals:
            notes = [replicate_note(book, task.name) for task in tasks]
            ended = sum(note["state"] != "running" for note in notes)
            at_once = session.plan.concurrency
            return Totals("confirmation", len(tasks), ended, at_once, hours_before)

        with session.progress.stage(totals):
            session.run(stage, "confirmation")
    return tuple(read_replicate(task) for task in tasks)


def _begin_confirmation(session: Session) -> ConfirmationPlan:
    plan = make_confirmation(session.config, rank_trials(session.book.own_trials(), session.config))
    session.book.write_note(names.CONFIRMATION, plan.to_note())
    return plan


def _keep_best(session: Session, best: TrialResult) -> str | None:
    if not session.config.study.keep_checkpoints:
        session.progress.say("no model is kept: study.keep_checkpoints is 0")
        return None
    if not export_best(session.config, session.folder, best):
        session.progress.say(f"no model is kept: trial {best.number} has no whole checkpoint")
        return None
    if session.publisher.flush(PATIENCE_S):
        return None
    return register_best(
        session.config, session.folder, best, session.uri, session.publisher.study_run
    )


def _totals(session: Session, stage: SearchStage) -> Totals:
    study, spent = session.config.study, stage.spent
    running = len(session.book.running())
    return Totals(
        title=f"study {study.name}",
        planned=study.trials,
        ended=spent.trials - running,
        at_once=session.plan.concurrency,
        device_hours=spent.device_hours,
        device_hours_limit=study.max_device_hours,
        cost=spent.device_hours * study.price_per_device_hour
        if study.price_per_device_hour
        else None,
        currency=study.currency,
    )


def _no_choice(config: StudyConfig, ranking: tuple[TrialResult, ...]) -> str:
    name = config.study.name
    finished = sum(trial.state == "finished" for trial in ranking)
    if finished:
        limits = ", ".join(config.study.constraints)
        return (
            f"study {name!r}: none of {finished} finished trials keeps study.constraints: {limits}"
        )
    errors = [trial.error for trial in ranking if trial.error]
    last = f"; the last reason: {errors[-1]}" if errors else ""
    return f"study {name!r}: no trial came to its end{last}"
