"""optuna-dashboard opens the storage of a study that runs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from small_study import Place, kill_tree
from test_resume import LONG, UNCONFIRMED, read_until

dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")


def get(app: Any, path: str, query: str = "") -> Any:
    """The JSON that the dashboard answers with, asked without a network."""
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "dashboard",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    body = b"".join(app(environ, lambda line, headers, info=None: status.append(line)))
    assert status == ["200 OK"], body
    return json.loads(body)


@pytest.mark.slow
def test_dashboard_shows_a_running_study(place: Place) -> None:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    process = place.start("tiny.yaml", *LONG, *UNCONFIRMED)
    try:
        read_until(process, "trial-0001 step 10/60")
        storage = JournalStorage(JournalFileBackend(str(place.root / "optuna.journal")))
        app = dashboard.wsgi(storage)
        studies = get(app, "/api/studies")["study_summaries"]
        assert [study["study_name"] for study in studies] == ["tiny"]
        detail = get(app, f"/api/studies/{studies[0]['study_id']}", "after=0")
        states = [trial["state"] for trial in detail["trials"]]
        assert states == ["Complete", "Running"]
        read_until(process, "trial-0002 started")
    finally:
        kill_tree(process)
