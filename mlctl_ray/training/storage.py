"""Durable writes to a run's folder, and one line for what its storage refuses."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Failure, InputError, StorageFailure

_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """A block that reads or writes the run's files at `path` and nothing else.

    Raises:
        StorageFailure: the system refused: path, the system's own text, host and free bytes.
    """
    try:
        yield
    except (Failure, InputError):
        raise
    except Exception as error:
        code = system_error(error)
        if code is None:
            raise
        raise StorageFailure(
            f"{path}: {os.strerror(code)} ({_free_bytes(path)} bytes free on "
            f"{socket.gethostname()})"
        ) from error


def system_error(error: BaseException) -> int | None:
    """The `errno` behind an error of a read or write; None if there is none.

    torch hides the system's error behind one of its zip writer, safetensors gives it as text.
    Lack of memory is not the storage's.
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno is not None:
            return None if found.errno == errno.ENOMEM else found.errno
        text = _OS_ERROR.search(str(found))
        if text is not None:
            return int(text[1])
        if not isinstance(found, RuntimeError):
            return None
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return None


def _free_bytes(path: Path) -> int | str:
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return "an unknown number of"


def partial_path(path: Path, token: str | None) -> Path:
    """Where a file or folder is written before it takes its place; never shared by two tokens."""
    return path.with_name(f".{path.name}.partial" + (f"-{token}" if token else ""))


def remove_partials(folder: Path, name: str = "*") -> None:
    """Remove what killed writers left of a name under any token."""
    for path in folder.glob(f"{partial_path(Path(name), None)}*"):
        # A writer that was superseded may still be at work there.
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def replace_text(path: Path, text: str, token: str | None = None) -> None:
    """Write a file so that its place holds the old text or the new one, whole."""
    partial = partial_path(path, token)
    try:
        partial.write_text(text, encoding="utf-8")
        sync(partial)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


def append_line(path: Path, line: str) -> None:
    """Add a line that is on the disk when this returns; a torn last line is ended first."""
    new = not path.exists()
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        else:
            torn = False
        file.write(("\n" if torn else "").encode() + line.encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no fsync of a folder.
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
