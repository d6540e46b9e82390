"""Where the store is, and that a store that cannot be used is refused in one line."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.errors import InputError
from mlctl_ray.tracking import StudyReader, Tracker, check_reachable, resolve_uri
from mlctl_ray.tracking.uri import redacted, sqlite_path, sqlite_uri


def refusal(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        check_reachable(uri)
    message = str(caught.value)
    assert message.startswith("tracking uri: ")
    assert "\n" not in message
    return message


def test_the_order_of_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolve_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert resolve_uri() == "http://host:5000"
    assert resolve_uri("https://other") == "https://other"
    assert resolve_uri("sqlite:///sub/x.db") == f"sqlite:///{tmp_path}/sub/x.db"
    assert resolve_uri("sqlite:////abs/x.db") == "sqlite:////abs/x.db"
    for nameless in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(InputError, match="names no file"):
            resolve_uri(nameless)


@given(st.text(st.characters(exclude_characters="/\x00", codec="utf-8"), min_size=1, max_size=30))
def test_any_path_survives_its_uri(name: str) -> None:
    path = Path("/folder") / f"x{name}"
    assert sqlite_path(sqlite_uri(path)) == path


def test_an_odd_path_is_the_file_that_mlflow_opens(empty_database: Path) -> None:
    # Made through its URI: the tables are in the file of that very name.
    with sqlite3.connect(empty_database) as database:
        assert database.execute("SELECT count(*) FROM experiments").fetchone()[0] >= 1


def test_passwords_are_left_out() -> None:
    assert redacted("http://me:se@cret@host:1/x") == "http://host:1/x"
    assert redacted("http://host/a@b") == "http://host/a@b"
    message = refusal("http://me:secret@127.0.0.1:9")
    assert "secret" not in message
    assert "127.0.0.1:9" in message


def test_usable_stores_pass(store: str, tmp_path: Path) -> None:
    check_reachable(store)
    check_reachable(f"sqlite:///{tmp_path}/new.db")
    assert list(tmp_path.iterdir()) == []


def test_a_dead_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "6")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    assert "refuses the connection" in refusal("http://127.0.0.1:9")
    # The settings of the long run are as they were.
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "6"
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ
    for use in (lambda uri: Tracker(uri, "name"), StudyReader):
        with pytest.raises(InputError, match="refuses the connection"):
            use("http://127.0.0.1:9")


def test_a_server_that_never_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "does not answer" in refusal(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_another_web_server(server_store: str) -> None:
    assert "answers with 404" in refusal(f"{server_store}/elsewhere")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://", "names no host"),
        ("http://host:port", "malformed"),
        ("redis://host", "is not known; allowed: sqlite:///FILE"),
        ("mlruns", "use sqlite:///mlruns/mlflow.db"),
        ("file:///data/mlruns", "use sqlite:////data/mlruns/mlflow.db"),
        ("runs/mlflow.db", "use sqlite:///runs/mlflow.db"),
        ("postgresql+psycopg2://u:secret@127.0.0.1:9/db", "postgresql+psycopg2://127.0.0.1:9/db"),
        ("sqlite:////no/such/folder/mlflow.db", "folder '/no/such/folder' does not exist"),
    ],
)
def test_what_cannot_be_a_store(uri: str, expected: str) -> None:
    message = refusal(uri)
    assert expected in message
    assert "secret" not in message


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write")
def test_a_folder_that_cannot_be_written() -> None:
    assert "folder '/proc' cannot be written" in refusal("sqlite:////proc/mlflow.db")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database at all")
    assert "is not an SQLite database" in refusal(f"sqlite:///{tmp_path}/notes.db")
    (tmp_path / "folder.db").mkdir()
    assert "cannot be opened" in refusal(f"sqlite:///{tmp_path}/folder.db")


def test_a_foreign_schema_is_one_line(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
        for table in ("experiments", "runs", "tags", "metrics", "params", "latest_metrics"):
            database.execute(f"CREATE TABLE {table} (x INT)")
    with pytest.raises(InputError, match="cannot be opened") as caught:
        Tracker(f"sqlite:///{tmp_path}/old.db", "name")
    assert "\n" not in str(caught.value)


def test_the_import_stays_light() -> None:
    code = "import sys, mlctl_ray.tracking; print(*{'mlflow', 'torch', 'ray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
