"""MLflow's own retries kept short, for a writer that tries again by itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

REQUEST_S: Final = 10
"""Longest wait for the answer to one request."""

_WANTED: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_S),
    # A write that was only queued in memory would count as delivered.
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
_lock = threading.Lock()
_before: dict[str, str | None] = {}
_users = 0


@contextmanager
def short_requests() -> Iterator[None]:
    """One try a request, of at most `REQUEST_S` seconds, in this process.

    MLflow reads these settings from the environment at every request. They are set back when the
    last user is done.
    """
    global _users
    with _lock:
        if _users == 0:
            _before.update({name: os.environ.get(name) for name in _WANTED})
            os.environ.update(_WANTED)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for name, value in _before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value
