"""The store as a projection of what a search keeps on disk: an outage loses nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mlctl_ray.errors import InputError

from .client import first_line
from .cursors import CursorFolder
from .delivery import Delivery
from .documents import RunDocument
from .outbox import StudyOutbox
from .patience import short_requests
from .records import RunMissingError, RunState, StoreUnavailableError
from .tracker import Tracker
from .uri import redacted

STUDY: Final = "<study>"
"""Stands for the study itself among the names that `Publisher.flush` returns."""
FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 30.0


class _ClosingError(Exception):
    """The publisher was closed between two writes."""


class Publisher:
    """Writes the runs of one study to the store, from a thread of its own.

    While the store does not answer everything waits on disk; it is tried again after 1 s, then
    twice as long up to 30 s. After a restart of the process call `changed` for every document,
    and `resume_study` when the study goes on: what was delivered is not written again.

    Args:
        tracker: the store; used by the publisher alone from here on.
        study_run: run id of the study.
        cursors: folder for what has been delivered, made if needed.
        read: returns the document of a run by its name, None when there is none; called from the
            publisher's thread.
        warn: takes one line; called from the publisher's thread.
    """

    def __init__(
        self,
        tracker: Tracker,
        study_run: str,
        cursors: Path,
        read: Callable[[str], RunDocument | None],
        warn: Callable[[str], None],
    ) -> None:
        self._tracker = tracker
        self._read = read
        self._warn = warn
        folder = CursorFolder(cursors)
        self._outbox = StudyOutbox(cursors / "study.json", study_run)
        self._delivery = Delivery(
            tracker, folder, lambda: self._outbox.living(tracker), self._say_once, self._progressed
        )
        self._changes = threading.Condition()
        self._dirty: dict[str, None] = {}
        self._current: str | None = None
        self._closing = False
        self._flushing = 0
        self._writes = 0
        self._failures = 0
        self._writes_before_outage: int | None = None
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    @property
    def study_run(self) -> str:
        """Run id of the study; another one after the store lost the study."""
        return self._outbox.run_id

    def changed(self, name: str) -> None:
        """The document of this run has changed, or may have."""
        with self._changes:
            self._dirty[name] = None
            self._changes.notify_all()

    def set_study_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the study."""
        self._outbox.set_tags(tags)
        self._notify()

    def log_study_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics of the study at a step."""
        self._outbox.log_metrics(metrics, step)
        self._notify()

    def resume_study(self) -> None:
        """Set the study RUNNING; takes back an end that still waits for the store."""
        self._outbox.set_state(RunState.RUNNING, None)
        self._notify()

    def finish_study(self, state: RunState, error: str | None = None) -> None:
        """End the study, after all runs have been delivered."""
        if state is RunState.RUNNING:
            raise ValueError("a study cannot be finished as RUNNING; resume_study() does that")
        self._outbox.set_state(state, error)
        self._notify()

    def flush(self, patience_s: float) -> tuple[str, ...]:
        """Wait until everything is delivered, or nothing was written for `patience_s` seconds.

        Returns:
            The names of runs that are left over, and `STUDY` for what is left of the study. They
            are still tried until `close`, and after a restart.
        """
        with self._changes:
            self._flushing += 1
            self._changes.notify_all()
            writes, since = self._writes, time.monotonic()
            try:
                while left := self._left():
                    if self._writes != writes:
                        writes, since = self._writes, time.monotonic()
                    waited = time.monotonic() - since
                    if waited >= patience_s or self._closing:
                        return left
                    self._changes.wait(patience_s - waited)
            finally:
                self._flushing -= 1
        return ()

    def close(self) -> None:
        """Stop between two writes; waits a second at most for a request that hangs."""
        with self._changes:
            self._closing = True
            self._changes.notify_all()
        self._thread.join(1.0)

    def _left(self) -> tuple[str, ...]:
        names = dict.fromkeys([self._current] if self._current is not None else [])
        names.update(self._dirty)
        if self._outbox.has_values() or self._outbox.has_end():
            names[STUDY] = None
        return tuple(names)

    def _notify(self) -> None:
        with self._changes:
            self._changes.notify_all()

    def _work(self) -> None:
        with short_requests():
            while (name := self._next()) is not None:
                self._attempt(name)

    def _next(self) -> str | None:
        """The name of the run to deliver next, `STUDY` where there is none; None at the end."""
        with self._changes:
            while not self._closing:
                if self._outbox.has_values():
                    self._current = STUDY
                elif self._dirty:
                    self._current = next(iter(self._dirty))
                    del self._dirty[self._current]
                elif self._outbox.has_end():
                    self._current = STUDY
                else:
                    self._all_delivered()
                    self._changes.wait()
                    continue
                return self._current
        return None

    def _attempt(self, name: str) -> None:
        again = False
        try:
            self._deliver(name)
        except _ClosingError:
            again = True
        except StoreUnavailableError:
            again = True
            self._outage()
        except RunMissingError:
            again = True
            self._failures += 1
            self._outbox.lost()
            if name != STUDY:
                self._delivery.forget(name)
        except InputError as error:
            # The experiment was deleted: its user can restore it.
            again = True
            self._say_once(str(error))
            self._failures += 1
        except Exception as error:
            # A defect of one document must not stop the others.
            self._say_once(f"tracking: {name}: not delivered: {first_line(error)}")
            if name == STUDY:
                self._outbox.give_up()
        with self._changes:
            self._current = None
            if again and name != STUDY:
                self._dirty.setdefault(name)
            self._changes.notify_all()
        if again:
            self._pause()

    def _deliver(self, name: str) -> None:
        if name == STUDY:
            if self._outbox.has_values():
                self._outbox.deliver_values(self._tracker, self._progressed)
            elif self._outbox.has_end():
                self._delivery.drop_copies()
                self._outbox.deliver_end(self._tracker, self._progressed)
            return
        document = self._read(name)
        if document is not None:
            self._delivery.deliver(document)

    def _progressed(self) -> None:
        with self._changes:
            self._writes += 1
            self._failures = 0
            self._changes.notify_all()
            if self._closing:
                raise _ClosingError

    def _outage(self) -> None:
        self._failures += 1
        if self._writes_before_outage is None:
            self._writes_before_outage = self._writes
            uri = redacted(self._tracker.uri)
            self._warn(
                f"tracking: {uri} does not answer; results wait on disk and will be delivered"
            )

    def _all_delivered(self) -> None:
        self._failures = 0
        if self._writes_before_outage is not None:
            done = self._writes - self._writes_before_outage
            self._writes_before_outage = None
            self._warn(f"tracking: delivered {done} waiting updates")

    def _pause(self) -> None:
        """Wait before the next try; at most the first delay while somebody waits for the end."""
        if self._failures == 0:
            return
        delay = min(FIRST_DELAY_S * 2 ** (self._failures - 1), LONGEST_DELAY_S)
        begun = time.monotonic()
        with self._changes:
            while not self._closing:
                limit = min(delay, FIRST_DELAY_S) if self._flushing else delay
                left = limit - (time.monotonic() - begun)
                if left <= 0:
                    return
                self._changes.wait(left)

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._warn(line)
