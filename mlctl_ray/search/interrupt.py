"""Ctrl-C once: checkpoint and end well. Twice: end at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StudyInterrupted(KeyboardInterrupt):
    """A study ended because it was asked to; its text says how to go on."""


class Interruption:
    """Whether the study was asked to end.

    Attributes:
        asked: a first request has come: no further run starts, live ones save a checkpoint.
        twice: a second one has come: nothing is waited for.
    """

    def __init__(self) -> None:
        self.asked = False
        self.twice = False
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at the first request, in the main thread."""
        self._listeners.append(listener)

    def ask(self) -> None:
        """Ask for the end; a second time ends at once by KeyboardInterrupt."""
        if self.asked:
            self.twice = True
            raise StudyInterrupted("stopped at once; checkpoints may be some steps old")
        self.asked = True
        for listener in self._listeners:
            listener()


@contextmanager
def hangup_ignored() -> Iterator[None]:
    """Let processes that are started here outlive a terminal that is closed.

    A hangup goes to every process of the terminal, and Ray's own must live until the runs have
    saved their checkpoints. Ray does the same for SIGINT itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests; in other threads than the main one, none."""
    state = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return

    def handle(number: int, frame: FrameType | None) -> None:
        state.ask()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
