"""The one door to MLflow: a client, its quiet settings, and its errors made ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlctl_ray.errors import InputError

from .records import TrackingError
from .uri import check_reachable, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient


def mlflow_client(uri: str) -> MlflowClient:
    """A client of `uri`, with MLflow imported on the first call."""
    # Read by MLflow when it is imported; a user's own setting wins.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    # Creating the tables of a new SQLite file is not news.
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def connect(uri: str) -> MlflowClient:
    """A client of a store that was checked; InputError when it cannot be opened."""
    check_reachable(uri)
    try:
        return mlflow_client(uri)
    except Exception as error:
        raise InputError(
            f"tracking uri: {redacted(uri)!r} cannot be opened: {first_line(error)}"
        ) from error


@contextmanager
def store_errors(doing: str) -> Iterator[None]:
    """Turn the errors of MLflow and of its transports into TrackingError."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        raise TrackingError(f"cannot {doing}: {first_line(error)}") from error


def first_line(error: BaseException | str, limit: int = 500) -> str:
    """First line of an error's message that is not empty, at most `limit` characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return redacted(text)[:limit]
