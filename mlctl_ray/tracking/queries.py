"""The searches that writer and reader share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from . import tags
from .records import Role

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE: Final = 1000
_NEWEST: Final = ["attributes.start_time DESC"]


def study_runs(client: MlflowClient, experiments: Sequence[str], limit: int = 0) -> list[Run]:
    """Study runs of the experiments, newest first; all of them when `limit` is 0."""
    return _search(client, experiments, f"tags.`{tags.ROLE}` = '{Role.STUDY}'", limit)


def child_runs(client: MlflowClient, parent: str, *, only_open: bool = False) -> list[Run]:
    """Runs whose parent is `parent`, newest first."""
    experiment = client.get_run(parent).info.experiment_id
    condition = f"tags.`{tags.PARENT}` = '{parent}'"
    if only_open:
        condition += " AND attributes.status = 'RUNNING'"
    return _search(client, [experiment], condition, 0)


def _search(
    client: MlflowClient, experiments: Sequence[str], condition: str, limit: int
) -> list[Run]:
    found: list[Run] = []
    token: str | None = None
    while experiments:
        page = client.search_runs(
            list(experiments),
            filter_string=condition,
            max_results=limit or _PAGE,
            order_by=_NEWEST,
            page_token=token,
        )
        found.extend(page)
        token = page.token
        if not token or (limit and len(found) >= limit):
            break
    return found
