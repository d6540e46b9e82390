"""The lock of a cache key: a file that a builder holds, touches and, when it dies, loses."""

from __future__ import annotations

import json
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HEARTBEAT_SECONDS = 10.0
"""A holder touches its lock this often."""
STALE_SECONDS = 180.0
"""A lock that nobody has touched for so long is lost, whatever its holder is."""
POLL_SECONDS = (0.02, 0.5)
"""First and longest wait between two looks at a lock."""


def host_name() -> str:
    """Name of this machine, fit for a file name."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "unnamed"


def process_lives(pid: int) -> bool:
    """Whether a process of this machine has the id `pid` and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # A killed process whose parent has not asked for it keeps its id as a zombie.
        state = (
            Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0]
        )
    except (OSError, IndexError):
        return True
    return state not in ("Z", "X")


@contextmanager
def build_lock(root: Path, key: str, until: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock of `key`, or go on without it as soon as `until` is true.

    A lock is a file ``.<key>.lock.<n>`` and the one with the largest n counts. A lock is stale
    when its holder's process is gone from this host or its file was not touched for
    `STALE_SECONDS`. It is taken over by creating the file n + 1, which only one process can do,
    so that two that see the same stale lock do not both go on. Held too long or taken over
    wrongly, it costs a second build and no more (`open_or_build`).
    """
    number = _acquire(root, key, until)
    if number is None:
        yield
        return
    stop = threading.Event()
    beat = threading.Thread(target=_touch, args=(_file(root, key, number), stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        for other in sorted(_numbers(root, key)):
            if other <= number:
                _file(root, key, other).unlink(missing_ok=True)


def _acquire(root: Path, key: str, until: Callable[[], bool]) -> int | None:
    wait = POLL_SECONDS[0]
    while not until():
        latest = max(_numbers(root, key), default=None)
        if latest is None:
            number = 0
        elif _is_stale(_file(root, key, latest)):
            number = latest + 1
        else:
            time.sleep(wait)
            wait = min(2 * wait, POLL_SECONDS[1])
            continue
        if _create(_file(root, key, number)):
            return number
    return None


def _create(path: Path) -> bool:
    owner = json.dumps({"host": host_name(), "pid": os.getpid()})
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(owner)
    except FileExistsError:
        return False
    return True


def _is_stale(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    if abs(age) > STALE_SECONDS:
        return True
    try:
        owner = json.loads(text)
        return bool(owner["host"] == host_name()) and not process_lives(int(owner["pid"]))
    except (ValueError, TypeError, KeyError):
        # Between its creation and its writing a lock is empty; only its age tells.
        return False


def _touch(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):
            os.utime(path)


def _file(root: Path, key: str, number: int) -> Path:
    return root / f".{key}.lock.{number}"


def _numbers(root: Path, key: str) -> list[int]:
    prefix = f".{key}.lock."
    names = [path.name for path in root.iterdir() if path.name.startswith(prefix)]
    return [int(name[len(prefix) :]) for name in names if name[len(prefix) :].isdigit()]
