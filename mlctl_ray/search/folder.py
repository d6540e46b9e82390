"""The study's folder, and the lock that keeps a second driver out of it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import StudyConfig
from ..errors import InputError

_LOCK = "driver.lock"


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Where a study keeps its journal, trials and replicates."""

    root: Path

    @classmethod
    def of(cls, config: StudyConfig) -> StudyFolder:
        """The folder of a study, absolute."""
        return cls.named(config.study.storage, config.study.name)

    @classmethod
    def named(cls, storage: str, name: str) -> StudyFolder:
        """The folder of a study by its name."""
        return cls((Path(storage).expanduser() / name).resolve())

    @property
    def journal(self) -> Path:
        """Optuna's journal file."""
        return self.root / "optuna.journal"

    @property
    def config(self) -> Path:
        """The study's resolved configuration."""
        return self.root / "study.yaml"

    @property
    def log(self) -> Path:
        """What the driver's libraries have to say, out of the way of the terminal."""
        return self.root / "driver.log"

    @property
    def cursors(self) -> Path:
        """What the tracking store has been given."""
        return self.root / "tracking"

    @property
    def best(self) -> Path:
        """The exported best model."""
        return self.root / "best"

    def trial(self, number: int) -> Path:
        """Folder of one trial."""
        return self.root / "trials" / f"{number:05d}"

    def replicate(self, variant: str, seed: int) -> Path:
        """Folder of one confirmation run."""
        return self.root / "replicates" / f"{variant}-{seed}"

    def replay(self, number: int) -> Path:
        """Folder of a trial that is run again."""
        return self.root / "replays" / f"{number:05d}"


def check_free(folder: StudyFolder) -> None:
    """Refuse a study that a driver is at work on, before anything is read; changes nothing.

    Raises:
        InputError: another driver holds it.
    """
    path = folder.root / _LOCK
    if path.is_file():
        descriptor = os.open(path, os.O_RDWR)
        try:
            _hold(descriptor, folder)
        finally:
            os.close(descriptor)


@contextmanager
def only_driver(folder: StudyFolder) -> Iterator[None]:
    """Hold the study for this process; the kernel gives it back when the process ends.

    Raises:
        InputError: another driver holds it.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.root / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _hold(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps([socket.gethostname(), os.getpid()]).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int, folder: StudyFolder) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = _holder(folder.root / _LOCK)
        raise InputError(
            f"study.name: a driver is at work on {folder.root.name!r}{holder}; wait for its end, "
            "or interrupt it first"
        ) from None


def _holder(path: Path) -> str:
    try:
        host, pid = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return f" (process {pid} on {host})"
