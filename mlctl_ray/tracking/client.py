"""The one door to MLflow: a client, its quiet settings, and its errors made ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mlctl_ray.errors import InputError

from .records import RunMissingError, StoreUnavailableError, TrackingError
from .uri import check_reachable, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient


def mlflow_client(uri: str) -> MlflowClient:
    """A client of `uri`, with MLflow imported on the first call."""
    # Read by MLflow when it is imported; a user's own setting wins.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    # Creating the tables of a new SQLite file is not news, nor is saving a model.
    for name in ("alembic", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints a traceback for every error of the database, which is raised as well.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
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


_PASSING: Final = frozenset(
    {
        # What MLflow's client says of a connection that failed.
        "INTERNAL_ERROR",
        "TEMPORARILY_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "ABORTED",
        "CANCELLED",
        # A token that ran out, or a proxy before a server that is gone.
        "PERMISSION_DENIED",
        "CUSTOMER_UNAUTHORIZED",
        "UNAUTHENTICATED",
        "ENDPOINT_NOT_FOUND",
        "NOT_FOUND",
    }
)
_PASSING_STATUS: Final = frozenset({401, 403, 404, 408, 429})


@contextmanager
def store_errors(doing: str) -> Iterator[None]:
    """Turn the errors of MLflow and of its transports into TrackingError.

    StoreUnavailableError where the same call may succeed later, RunMissingError for what was
    deleted, and plain TrackingError where the store refuses what it was given.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        raise _kind(error)(f"cannot {doing}: {first_line(error)}") from error


def _kind(error: Exception) -> type[TrackingError]:
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    if isinstance(error, MlflowException):
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return RunMissingError
        return StoreUnavailableError if error.error_code in _PASSING else TrackingError
    if isinstance(error, RequestException):
        status = error.response.status_code if error.response is not None else 503
        refused = 400 <= status < 500 and status not in _PASSING_STATUS
        return TrackingError if refused else StoreUnavailableError
    local = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    return TrackingError if isinstance(error, local) else StoreUnavailableError


def first_line(error: BaseException | str, limit: int = 500) -> str:
    """First line of an error's message that is not empty, at most `limit` characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return redacted(text)[:limit]
