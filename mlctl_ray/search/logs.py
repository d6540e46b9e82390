"""What the driver's libraries have to say, in a file instead of between the lines of the study."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIBRARIES = ("ray", "ray.tune", "ray.train", "ray.data", "mlflow", "optuna", "alembic")


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Let the libraries' loggers write to a file only, and then as before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    held: list[tuple[logging.Logger, list[logging.Handler], bool, int]] = []
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        held.append((logger, list(logger.handlers), logger.propagate, logger.level))
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, handlers, propagate, level in held:
            logger.handlers[:] = handlers
            logger.propagate = propagate
            logger.setLevel(level)
        handler.close()
