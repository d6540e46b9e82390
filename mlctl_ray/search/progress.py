"""Progress of a stage: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console, RenderableType
from rich.live import Live

from ..config import StudyConfig
from ..evaluation.keys import accuracy_key
from .board import Line, Totals, ended_line, render
from .halving import make_rungs
from .observer import Observer, State
from .protocol import TrialTask

_REFRESH_PER_SECOND = 2
_ERRORS = 4


class Progress(Observer):
    """An observer that shows a study's runs."""

    def __init__(self, console: Console, config: StudyConfig) -> None:
        self._console = console
        self._config = config
        self._rungs = make_rungs(config)
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._errors: list[str] = []
        self._totals: Callable[[], Totals] | None = None
        self._live: Live | None = None

    def say(self, line: str) -> None:
        """Print a line; above the table where there is one."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(self, totals: Callable[[], Totals]) -> Iterator[None]:
        """Show one stage; on a terminal its table stays when it has ended.

        Args:
            totals: what stands above the table, asked whenever it is drawn.
        """
        with self._lock:
            self._lines, self._errors, self._totals = {}, [], totals
        if not self._console.is_terminal:
            yield
            return
        with Live(
            console=self._console,
            get_renderable=self._board,
            refresh_per_second=_REFRESH_PER_SECOND,
        ) as live:
            self._live = live
            try:
                yield
            finally:
                live.refresh()
                self._live = None

    def started(self, task: TrialTask) -> None:
        """Show a run at work."""
        what = _what(task)
        self._set(
            Line(task.name, what, "running", 0, task.steps, time.time())
            if task.name not in self._lines
            else replace(self._lines[task.name], state="running", note="again", ended=None)
        )
        self._plain(f"{task.name} started: {what}")

    def reported(
        self, task: TrialTask, step: int, objective: float, metrics: Mapping[str, float]
    ) -> None:
        """Show an evaluation."""
        languages = {
            language: metrics[key]
            for language in self._config.data.nli.languages
            if (key := accuracy_key("validation", self._config.task, language)) in metrics
        }
        line = self._line(task)
        self._set(
            replace(
                line,
                step=step,
                objective=objective,
                languages=languages,
                rung=self._rung(task, step),
            )
        )
        self._plain(f"{task.name} step {step}/{task.steps}: objective {100 * objective:.1f}%")

    def retried(self, task: TrialTask, reason: str) -> None:
        """Say why a run is begun again."""
        line = f"{task.name} goes on from its checkpoint: {reason}"
        self._set(replace(self._line(task), state="running", note="again"))
        self._error(line)
        self._plain(line)

    def ended(self, task: TrialTask, state: State, reason: str = "") -> None:
        """Show a run's end."""
        self._set(ended_line(self._line(task), state, "", time.time()))
        if state == "failed":
            self._error(f"{task.name} failed: {reason}")
        words = {
            "finished": f"{task.name} finished",
            "pruned": f"{task.name} stopped at a rung",
            "paused": f"{task.name} {'waits for --resume' if reason else 'saved its checkpoint'}",
            "failed": f"{task.name} failed: {reason}",
        }
        self._plain(words[state])

    def _rung(self, task: TrialTask, step: int) -> str:
        if self._rungs is None or task.number is None:
            return ""
        return f"{sum(rung <= step for rung in self._rungs.steps)}/{len(self._rungs.steps)}"

    def _line(self, task: TrialTask) -> Line:
        with self._lock:
            fresh = Line(task.name, _what(task), "running", 0, task.steps if task.run else 0, 0.0)
            return self._lines.get(task.name, replace(fresh, started=time.time()))

    def _set(self, line: Line) -> None:
        with self._lock:
            self._lines[line.name] = line

    def _error(self, line: str) -> None:
        with self._lock:
            self._errors = [*self._errors, line][-_ERRORS:]

    def _plain(self, line: str) -> None:
        if self._live is None:
            self.say(line)

    def _board(self) -> RenderableType:
        with self._lock:
            lines, errors, totals = list(self._lines.values()), list(self._errors), self._totals
        if totals is None:
            return ""
        return render(lines, totals(), errors, time.time())


def _what(task: TrialTask) -> str:
    levels = task.run["objective"]["levels"] if task.run else "refused"
    if task.variant and task.variant != levels:
        return f"{task.variant} ({levels})"
    return str(levels)
