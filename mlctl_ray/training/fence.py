"""One writer a run's folder: a process that outlived its driver finds that it is no longer it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, StorageFailure
from .storage import replace_text, storage

FILE = "attempt"
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Superseded(Exception):
    """Another attempt has the run's folder: this process writes no more."""


def claim(folder: Path, token: str) -> None:
    """Make `token` the only one whose process may write the run's folder.

    Raises:
        InputError: the token cannot be part of a file's name.
        StorageFailure: the folder cannot be written.
    """
    if not _TOKEN.fullmatch(token):
        raise InputError(f"token: {token!r} is wrong; allowed: letters, digits, '.', '_' and '-'")
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / FILE, token, token)


@dataclass(frozen=True, slots=True)
class Fence:
    """The right of this process to write a run's folder; without a token nobody contests it."""

    folder: Path
    token: str | None = None

    def check(self) -> None:
        """Whether the right still stands.

        Raises:
            Superseded: the folder was claimed by another attempt.
            StorageFailure: no claim is to be seen from this machine, or it cannot be read.
        """
        if self.token is None:
            return
        file = self.folder / FILE
        try:
            with storage(file):
                found = file.read_text(encoding="utf-8")
        except StorageFailure as failure:
            if not isinstance(failure.__cause__, FileNotFoundError):
                raise
            raise StorageFailure(
                f"{file}: not there as seen from {socket.gethostname()}; the run's folder must be "
                "on storage that this machine shares with the driver"
            ) from None
        if found != self.token:
            raise Superseded(f"{self.folder}: attempt {self.token} was superseded by {found}")

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """A block that writes the run's files at `path`.

        Raises:
            Superseded: before the block, or instead of a failure that the other attempt caused.
            StorageFailure: as `storage`.
        """
        self.check()
        try:
            with storage(path):
                yield
        except StorageFailure:
            self.check()
            raise


UNFENCED = Fence(Path())
"""For a run without a driver."""
