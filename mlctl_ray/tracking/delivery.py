"""Delivery of run documents to the store: what lacks there is written, once, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from . import tags as names
from .cursors import Cursor, CursorFolder
from .documents import RunDocument
from .records import (
    Role,
    RunMissingError,
    RunRecord,
    RunState,
    StoreUnavailableError,
    TrackingError,
)
from .tracker import Tracker

SETTLE_S: Final = 1.0
"""Time that a store gets to carry out what it was asked for before it stopped answering."""


class Delivery:
    """Brings the runs of one study in the store up to their documents.

    Every write is repeatable, and the cursor follows it, so that a kill between the two changes
    nothing but that the write is made again.

    Args:
        tracker: the store.
        cursors: what has been delivered.
        study_run: returns the run id of the study, alive in the store.
        refused: told once of each part of a document that the store does not take.
        progress: called after every write.
    """

    def __init__(
        self,
        tracker: Tracker,
        cursors: CursorFolder,
        study_run: Callable[[], str],
        refused: Callable[[str], None],
        progress: Callable[[], None],
    ) -> None:
        self._tracker = tracker
        self._cursors = cursors
        self._study_run = study_run
        self._refused = refused
        self._progress = progress
        self._children: dict[str, RunRecord] | None = None
        self._uncertain = False
        self._compared: set[str] = set()

    def deliver(self, document: RunDocument) -> None:
        """Write what the store lacks of a run.

        Raises:
            StoreUnavailableError: the store went away; call again with the document.
            RunMissingError: the run or the study was deleted; `forget` the run and call again.
        """
        self._write(document, self._run_of(document))

    def forget(self, name: str) -> None:
        """Deliver a run anew with the next call; look at the store's runs again."""
        self._cursors.drop(name)
        self._children = None

    def drop_copies(self) -> None:
        """Delete empty runs that requests without an answer may have left, here or before."""
        self._tracker.drop_empty_copies(self._study_run())

    def _run_of(self, document: RunDocument) -> Cursor:
        """The cursor of the document's run, which exists after this."""
        children = self._listed()
        name = document.name
        found, cursor = children.get(name), self._cursors.get(name)
        if cursor is not None and (found is None or found.run_id != cursor.run_id):
            self._cursors.drop(name)
            cursor = None
        if found is None:
            cursor = Cursor(self._create(document))
        elif cursor is None:
            cursor = Cursor(found.run_id, state=found.state, error=found.tags.get(names.ERROR))
        elif name not in self._compared and found.state is not cursor.state:
            # Somebody ended the run, or took it up, since the cursor was written.
            cursor.state = found.state
        self._compared.add(name)
        self._cursors.put(name, cursor)
        return cursor

    def _listed(self) -> dict[str, RunRecord]:
        if self._children is None:
            study = self._study_run()
            found = self._tracker.find_children(study)
            if self._uncertain:
                time.sleep(SETTLE_S)
                found = self._tracker.find_children(study)
                self._uncertain = False
            self._children = dict(found)
            self._compared.clear()
        return self._children

    def _create(self, document: RunDocument) -> str:
        # Parameters follow on their own: a run without any is known as an empty one.
        study, variant = self._study_run(), document.variant
        try:
            if document.role is Role.TRIAL:
                assert document.number is not None  # guaranteed by RunDocument
                tags = {names.VARIANT: variant} if variant is not None else {}
                run_id = self._tracker.start_trial(
                    study, number=document.number, name=document.name, params={}, tags=tags
                )
            else:
                assert variant is not None and document.seed is not None
                run_id = self._tracker.start_replicate(
                    study, variant=variant, seed=document.seed, name=document.name, params={}
                )
            record = self._tracker.record(run_id)
        except TrackingError as error:
            # The run may exist all the same.
            self._children = None
            if isinstance(error, StoreUnavailableError):
                self._uncertain = True
            raise
        assert self._children is not None
        self._children[document.name] = record
        self._progress()
        return run_id

    def _write(self, document: RunDocument, cursor: Cursor) -> None:
        ended = cursor.state is not RunState.RUNNING
        if ended and document.state is RunState.RUNNING:
            self._tracker.resume(cursor.run_id)
            self._keep(document, cursor, state=RunState.RUNNING, error=None)
        if not cursor.params:
            self._part(
                document, "params", lambda: self._tracker.log_params(cursor.run_id, document.params)
            )
            self._keep(document, cursor, params=True)
        self._write_points(document, cursor)
        changed = {key: text for key, text in document.tags.items() if cursor.tags.get(key) != text}
        if changed:
            self._part(document, "tags", lambda: self._tracker.set_tags(cursor.run_id, changed))
            self._keep(document, cursor, tags={**cursor.tags, **changed})
        if document.state is not RunState.RUNNING:
            self._end(document, cursor)

    def _write_points(self, document: RunDocument, cursor: Cursor) -> None:
        delivered = set(cursor.points)
        for point in document.points:
            if point.key in delivered:
                continue
            values = (cursor.run_id, point.metrics, point.step, point.time_ms)
            self._part(
                document,
                f"metrics of step {point.step}",
                partial(self._tracker.log_metrics, *values),
            )
            self._keep(document, cursor, points=[*cursor.points, point.key])

    def _end(self, document: RunDocument, cursor: Cursor) -> None:
        """Artifacts, then the state: who sees an ended run finds everything there."""
        key = document.artifact_key()
        if cursor.artifacts != key:
            for path, text in document.texts.items():
                self._part(
                    document,
                    f"artifact {path}",
                    partial(self._tracker.log_text, cursor.run_id, text, path),
                )
            for source, folder in document.artifacts:
                self._part(
                    document,
                    f"artifact {source.name}",
                    partial(self._tracker.log_artifacts, cursor.run_id, source, folder),
                )
            self._keep(document, cursor, artifacts=key)
        if (cursor.state, cursor.error) != (document.state, document.error):
            self._part(
                document,
                "state",
                lambda: self._tracker.finish(cursor.run_id, document.state, error=document.error),
            )
            self._keep(document, cursor, state=document.state, error=document.error)

    def _part(self, document: RunDocument, what: str, write: Callable[[], None]) -> None:
        """Make one write; what the store refuses is said and left out, the rest goes on."""
        try:
            write()
        except StoreUnavailableError:
            raise
        except TrackingError as error:
            cursor = self._cursors.get(document.name)
            if cursor is not None and not self._tracker.holds(cursor.run_id):
                raise RunMissingError(str(error)) from error
            self._refused(f"tracking: {document.name}: {what} refused: {error}")

    def _keep(self, document: RunDocument, cursor: Cursor, **values: object) -> None:
        for name, value in values.items():
            setattr(cursor, name, value)
        self._cursors.put(document.name, cursor)
        self._progress()
