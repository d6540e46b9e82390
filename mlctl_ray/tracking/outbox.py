"""What the store should hold of the study itself, kept on disk until it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import tags as names
from .cursors import read_json, write_json
from .documents import Point
from .records import RunState
from .tracker import Tracker


@dataclass(slots=True)
class _Wanted:
    """What the study's run should hold."""

    tags: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    state: RunState | None = None
    error: str | None = None


@dataclass(slots=True)
class _Sent:
    """What the store holds of it."""

    run_id: str
    tags: dict[str, str] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    state: RunState | None = None
    error: str | None = None


class StudyOutbox:
    """Tags, metrics and the state of a study on their way to the store.

    The setters may be called from any thread; the rest belongs to the thread that writes the
    store. A study that was deleted in the store is started anew with what it had.
    """

    def __init__(self, path: Path, study_run: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._alive = False
        content = read_json(path) or {}
        self._wanted = _wanted(content.get("wanted", {}))
        self._begun: dict[str, dict[str, str]] = content.get("begun", {})
        sent = content.get("sent", {})
        if sent.get("run_id") == study_run:
            state = sent["state"]
            self._sent = _Sent(**{**sent, "state": RunState(state) if state else None})
        else:
            self._sent = _Sent(study_run)

    @property
    def run_id(self) -> str:
        """Run id of the study; another one after the store was emptied."""
        return self._sent.run_id

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Want tags; the latest value wins."""
        with self._lock:
            self._wanted.tags.update(tags)
            self._save()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Want metrics of a step; those of the same step that still wait are replaced."""
        point = Point(step, int(time.time() * 1000), dict(metrics))
        with self._lock:
            sent = set(self._sent.points)
            waiting = {**point.metrics}
            for old in self._wanted.points:
                if old.step == step and old.key not in sent:
                    waiting = {**old.metrics, **waiting}
            self._wanted.points = [
                old for old in self._wanted.points if old.step != step or old.key in sent
            ]
            self._wanted.points.append(Point(step, point.time_ms, waiting))
            self._save()

    def set_state(self, state: RunState, error: str | None) -> None:
        """Want a state; the latest wins."""
        with self._lock:
            self._wanted.state, self._wanted.error = state, error
            self._save()

    def has_values(self) -> bool:
        """Whether tags or metrics, or RUNNING, wait for the store."""
        with self._lock:
            resumed = self._wanted.state is RunState.RUNNING and self._state_waits()
            return bool(self._waiting_tags() or self._waiting_points()) or resumed

    def has_end(self) -> bool:
        """Whether a terminal state waits for the store."""
        with self._lock:
            return self._wanted.state is not RunState.RUNNING and self._state_waits()

    def lost(self) -> None:
        """Look whether the store still has the study before the next use of its run id."""
        self._alive = False

    def living(self, tracker: Tracker) -> str:
        """Run id of the study, started anew when the store does not have it any more."""
        if self._alive:
            return self._sent.run_id
        if tracker.holds(self._sent.run_id):
            record = tracker.record(self._sent.run_id)
            if not self._begun:
                kept = {k: v for k, v in record.tags.items() if not _is_own(k)}
                self._begun = {"params": dict(record.params), "tags": kept}
            if record.state is not self._sent.state:
                self._sent.state, self._sent.error = record.state, None
        else:
            self._sent = _Sent(self._start_anew(tracker), state=RunState.RUNNING)
        with self._lock:
            self._save()
        self._alive = True
        return self._sent.run_id

    def deliver_values(self, tracker: Tracker, progress: Callable[[], None]) -> None:
        """Write the tags and metrics that wait, and RUNNING."""
        run_id = self.living(tracker)
        with self._lock:
            tags, points = self._waiting_tags(), self._waiting_points()
        if self._wanted.state is RunState.RUNNING and self._sent.state is not RunState.RUNNING:
            tracker.resume(run_id)
            self._mark(progress, state=RunState.RUNNING, error=None)
        if tags:
            tracker.set_tags(run_id, tags)
            self._mark(progress, tags={**self._sent.tags, **tags})
        for point in points:
            tracker.log_metrics(run_id, point.metrics, point.step, point.time_ms)
            self._mark(progress, points=[*self._sent.points, point.key])

    def deliver_end(self, tracker: Tracker, progress: Callable[[], None]) -> None:
        """Write the terminal state that waits."""
        run_id = self.living(tracker)
        with self._lock:
            state, error = self._wanted.state, self._wanted.error
        if state is not None and state is not RunState.RUNNING:
            tracker.finish(run_id, state, error=error)
            self._mark(progress, state=state, error=error)

    def give_up(self) -> None:
        """Take what would be written next as delivered: the store refuses it."""
        values = self.has_values()
        with self._lock:
            if values:
                self._sent.tags = dict(self._wanted.tags)
                self._sent.points = [point.key for point in self._wanted.points]
            if not values or self._wanted.state is RunState.RUNNING:
                self._sent.state, self._sent.error = self._wanted.state, self._wanted.error
            self._save()

    def _mark(self, progress: Callable[[], None], **values: object) -> None:
        with self._lock:
            for name, value in values.items():
                setattr(self._sent, name, value)
            self._save()
        progress()

    def _waiting_tags(self) -> dict[str, str]:
        sent = self._sent.tags
        return {key: text for key, text in self._wanted.tags.items() if sent.get(key) != text}

    def _waiting_points(self) -> list[Point]:
        sent = set(self._sent.points)
        return [point for point in self._wanted.points if point.key not in sent]

    def _state_waits(self) -> bool:
        wanted = (self._wanted.state, self._wanted.error)
        return wanted[0] is not None and wanted != (self._sent.state, self._sent.error)

    def _start_anew(self, tracker: Tracker) -> str:
        lost = self._sent.run_id
        tracker.forget_experiment()
        found = tracker.find_study()
        # Started by a request whose answer was lost.
        if found is not None and tracker.record(found).tags.get(names.REPLACES) == lost:
            return found
        tags = {**self._begun.get("tags", {}), names.REPLACES: lost}
        return tracker.start_study(self._begun.get("params", {}), tags)

    def _save(self) -> None:
        content = {"begun": self._begun, "wanted": asdict(self._wanted), "sent": asdict(self._sent)}
        write_json(self._path, content)


def _is_own(tag: str) -> bool:
    """Whether a new run gets this tag anyway, or should not have it."""
    return tag.startswith("mlflow.") or tag in (names.STATE, names.ERROR, names.NON_FINITE)


def _wanted(content: Mapping[str, Any]) -> _Wanted:
    state = content.get("state")
    return _Wanted(
        tags=dict(content.get("tags", {})),
        points=[Point(**point) for point in content.get("points", [])],
        state=RunState(state) if state else None,
        error=content.get("error"),
    )
