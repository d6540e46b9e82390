"""A run that pauses when a file asks it to."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from ..evaluation.workers import Workers
from .storage import replace_text, storage

SECONDS_BETWEEN_LOOKS = 1.0


class Paused(Exception):
    """The run saved a checkpoint and ended, as it was asked to.

    Attributes:
        step: optimiser steps done, all in the checkpoint.
    """

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step

    def __str__(self) -> str:
        return f"paused after step {self.step}"


def request_file(folder: Path) -> Path:
    """The file in a run's folder whose presence asks the run to pause."""
    return folder / "request"


def request_pause(folder: Path) -> None:
    """Ask the run of a folder to save a checkpoint and end.

    Raises:
        StorageFailure: the folder cannot be written.
    """
    file = request_file(folder)
    with storage(file):
        replace_text(file, "pause\n")


def clear_request(folder: Path) -> None:
    """Take a request back, before the run goes on.

    Raises:
        StorageFailure: the folder cannot be written.
    """
    file = request_file(folder)
    with storage(file):
        file.unlink(missing_ok=True)


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        # Storage that does not answer is a failure of the next save, in every worker alike.
        return False


class PauseRequests:
    """Looks for a request; every worker asks at the same steps and gets rank 0's answer."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self._file = request_file(folder)
        self._workers = workers
        self._looked = -SECONDS_BETWEEN_LOOKS
        self._found = False

    def pending(self, *, look: bool = False) -> bool:
        """Whether the run is to pause; the disk is read at most once a second unless `look`."""
        if self._workers.rank == 0 and not self._found:
            now = time.monotonic()
            if look or now - self._looked >= SECONDS_BETWEEN_LOOKS:
                self._looked = now
                self._found = _is_there(self._file)
        if self._workers.size == 1:
            return self._found
        found = torch.tensor([self._found], dtype=torch.int32, device=self._workers.device)
        self._workers.broadcast_(found)
        return bool(found.item())
