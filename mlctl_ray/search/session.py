"""What the stages of a study share, and how a study begins and ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from ..config import StudyConfig, to_yaml
from ..errors import Failure
from ..tracking import Publisher, RunState, Tracker, TrackingError, environment_record
from ..tracking.uri import redacted
from .accounts import keep_plan
from .book import Book
from .cluster import run_stage
from .confirmation import confirmation_begun, confirmation_tasks
from .documents import Documents
from .folder import StudyFolder
from .interrupt import Interruption, StudyInterrupted
from .keeping import CheckpointKeeper
from .measures import objectives
from .observer import Observer, Observers
from .plan import StudyPlan
from .progress import Progress
from .record import Publishing, begin_record
from .stage import Stage
from .storage import make_study, repair_journal
from .warm_start import note_warm_start

_GO_ON = "what was computed is kept: --resume goes on when it is mended"
PATIENCE_S = 300.0
"""How long the end of a study waits for a tracking store that does not answer."""
_HASTE_S = 20.0
"""How long an interrupted or failed study does."""
_AT_ONCE_S = 2.0
"""How long one does that was interrupted twice."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the stages of a study share.

    Attributes:
        observer: of both stages.
    """

    config: StudyConfig
    folder: StudyFolder
    plan: StudyPlan
    uri: str
    book: Book
    documents: Documents
    publisher: Publisher
    progress: Progress
    observer: Observer
    asked: Interruption

    def run(self, stage: Stage, name: str) -> str:
        """Let Tune execute one stage.

        Raises:
            Failure: the stage was halted, or the book could not be written.
            StudyInterrupted: it was asked to end.
        """
        config = self.config
        try:
            ended_by = run_stage(
                stage,
                name=name,
                folder=self.folder,
                scaling=config.scaling,
                objective_key=objectives(config)[0].key,
                concurrency=config.study.concurrency,
                interruption=self.asked,
            )
        except OSError as error:
            raise Failure(f"{error}; {_GO_ON}") from error
        if self.asked.asked:
            raise StudyInterrupted(
                f"interrupted: study {config.study.name!r} is saved; the same command with "
                "--resume goes on"
            )
        if stage.halted is not None:
            raise Failure(f"{stage.halted}; {_GO_ON}")
        return ended_by


def begin(
    config: StudyConfig,
    folder: StudyFolder,
    plan: StudyPlan,
    uri: str,
    console: Console,
    asked: Interruption,
    *,
    resume: bool,
    warm_start: str | None,
) -> Session:
    """Open the book and the tracking store, and bring the store up to the book."""
    progress = Progress(console, config)
    if repair_journal(folder.journal):
        progress.say("the journal's last line was unfinished and is cut off")
    book = Book(config, make_study(config, folder))
    if warm_start is not None:
        note_warm_start(book, warm_start)
    folder.config.write_text(to_yaml(config), encoding="utf-8")
    keep_plan(book, plan)
    environment = json.dumps(environment_record(), indent=1, sort_keys=True)
    tracker = Tracker(uri, config.study.name)
    record = begin_record(tracker, config, environment, resume=resume)
    documents = Documents(book, folder, environment)
    held = confirmation_begun(book)
    if held is not None:
        documents.add_replicates(confirmation_tasks(config, held, book, folder))
    publisher = Publisher(tracker, record, folder.cursors, documents.read, progress.say)
    if resume:
        publisher.resume_study()
    for name in documents.names():
        publisher.changed(name)
    observer = Observers([progress, Publishing(publisher), CheckpointKeeper(book, folder)])
    progress.say(
        f"study {config.study.name}: {plan.trials} trials, {plan.concurrency} at once; "
        f"tracking {redacted(uri)}"
    )
    return Session(config, folder, plan, uri, book, documents, publisher, progress, observer, asked)


@contextmanager
def ended(session: Session) -> Iterator[None]:
    """Give the tracking store the end of every run, and of the study, in its true state."""
    state, reason = RunState.FAILED, "ended by an error"
    try:
        yield
        state, reason = RunState.FINISHED, ""
    except StudyInterrupted as error:
        state, reason = RunState.INTERRUPTED, str(error)
        raise
    except Exception as error:
        reason = str(error)
        raise
    finally:
        session.documents.closing = True
        for name in session.documents.names():
            session.publisher.changed(name)
        session.publisher.finish_study(state, reason or None)
        left = session.publisher.flush(_patience(session, state))
        session.publisher.close()
        if left and state is RunState.FINISHED:
            raise TrackingError(
                f"tracking store {redacted(session.uri)} does not answer: results of {len(left)} "
                f"runs wait in {session.folder.cursors}; --resume delivers them"
            )


def _patience(session: Session, state: RunState) -> float:
    if session.asked.twice:
        return _AT_ONCE_S
    return PATIENCE_S if state is RunState.FINISHED else _HASTE_S
