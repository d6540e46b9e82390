"""Where the tracking store is, and whether it can be used, before any work starts."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from mlctl_ray.errors import InputError

_DATABASE_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_ALLOWED: Final = "sqlite:///FILE, http(s)://HOST:PORT, postgresql://, mysql:// or mssql://"
_TIMEOUT_S: Final = 3
_SQLITE: Final = "sqlite:///"
_SQLITE_HEADER: Final = b"SQLite format 3\x00"


def resolve_uri(uri: str | None = None) -> str:
    """The tracking URI: `uri`, else MLFLOW_TRACKING_URI, else `mlflow.db` in the working directory.

    SQLite files are made absolute, since workers have other working directories.
    """
    chosen = (uri or os.environ.get("MLFLOW_TRACKING_URI") or "").strip()
    if not chosen:
        return sqlite_uri(Path.cwd() / "mlflow.db")
    path = sqlite_path(chosen)
    return chosen if path is None else sqlite_uri(path)


def sqlite_uri(path: Path) -> str:
    """The SQLite URI of an absolute path."""
    # SQLAlchemy reads the path up to '?' and decodes '%'; everything else stands for itself.
    return _SQLITE + str(path).replace("%", "%25").replace("?", "%3F")


def sqlite_path(uri: str) -> Path | None:
    """The absolute path of a SQLite URI's file; None for other URIs, InputError without a file."""
    if _scheme(uri) != "sqlite":
        return None
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    if match is None or match[1] == ":memory:":
        raise InputError(f"tracking uri: {uri!r} names no file; allowed: sqlite:///FILE")
    return Path(os.path.normpath(Path.cwd() / unquote(match[1])))


def redacted(uri: str) -> str:
    """The URI without user name and password, fit for messages and reports."""
    return re.sub(r"//[^/\s]*@", "//", uri)


def check_reachable(uri: str) -> None:
    """Raise InputError within a few seconds when the store of a resolved URI cannot be used."""
    scheme = _scheme(uri)
    if scheme == "sqlite":
        _check_sqlite(uri)
    elif scheme in {"http", "https"}:
        _check_server(uri)
    elif scheme in _DATABASE_PORTS:
        _check_port(uri, _DATABASE_PORTS[scheme])
    elif scheme in {"", "file"}:
        path = re.sub(r"^file:(//)?", "", uri).rstrip("/") or "."
        database = path if path.endswith(".db") else f"{path}/mlflow.db"
        raise InputError(
            f"tracking uri: {uri!r} is a bare path, and MLflow's file store is off by default; "
            f"use sqlite:///{database}"
        )
    else:
        raise InputError(f"tracking uri: {redacted(uri)!r} is not known; allowed: {_ALLOWED}")


def _scheme(uri: str) -> str:
    match = re.match(r"([A-Za-z][A-Za-z0-9.\-]*)(?:\+\w+)?:", uri)
    return match[1].lower() if match else ""


def _check_sqlite(uri: str) -> None:
    path = sqlite_path(uri)
    if path is None:
        return
    if not path.parent.is_dir():
        raise InputError(f"tracking uri: folder {str(path.parent)!r} does not exist; create it")
    try:
        # SQLite puts its journal next to the file; permission bits do not tell for root.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(
            f"tracking uri: folder {str(path.parent)!r} cannot be written ({error.strerror})"
        ) from error
    if not path.exists():
        return
    try:
        with path.open("r+b") as file:
            header = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise InputError(
            f"tracking uri: {str(path)!r} cannot be opened for writing ({error.strerror})"
        ) from error
    if header and header != _SQLITE_HEADER:
        raise InputError(f"tracking uri: {str(path)!r} is not an SQLite database")


def _check_port(uri: str, default: int) -> None:
    host, port = _host(uri)
    try:
        socket.create_connection((host, port or default), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise InputError(f"tracking uri: {redacted(uri)!r} is unreachable ({error})") from error


def _check_server(uri: str) -> None:
    _host(uri)
    from .client import mlflow_client

    try:
        # Through MLflow itself, so that its credentials, certificates and proxies apply.
        with _impatient():
            mlflow_client(uri).search_experiments(max_results=1)
    except Exception as error:
        raise InputError(f"tracking uri: {redacted(uri)!r} {_reason(str(error))}") from error


def _host(uri: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"tracking uri: {redacted(uri)!r} is malformed ({error})") from error
    if not host:
        raise InputError(f"tracking uri: {redacted(uri)!r} names no host; allowed: {_ALLOWED}")
    return host, port


def _reason(message: str) -> str:
    """A short reason for MLflow's long message about a failed request."""
    status = re.search(r"failed with error code (\d+)", message)
    if (status and status[1] in {"401", "403"}) or "PERMISSION_DENIED" in message:
        return (
            "refuses access; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "or MLFLOW_TRACKING_TOKEN"
        )
    if status:
        return f"answers with {status[1]}, as no MLflow server does; check host, port and path"
    for pattern, reason in (
        ("refused", "refuses the connection; start `mlflow server` there or set another URI"),
        ("timed out", f"does not answer within {_TIMEOUT_S} s"),
        ("NameResolution", "has an unknown host name"),
        ("SSL", "has a certificate that is not trusted"),
    ):
        if pattern in message:
            return f"is unreachable: it {reason}"
    return "is unreachable or no MLflow server"


@contextmanager
def _impatient() -> Iterator[None]:
    """One short try of MLflow's requests, which otherwise go on for minutes."""
    wanted = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_TIMEOUT_S),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
