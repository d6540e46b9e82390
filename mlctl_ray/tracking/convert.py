"""Between Python values and what MLflow holds: texts, keys and records."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import tags
from .records import Role, RunRecord, RunState

if TYPE_CHECKING:
    from mlflow.entities import Run

STATUS = {
    RunState.RUNNING: "RUNNING",
    RunState.FINISHED: "FINISHED",
    RunState.PRUNED: "KILLED",
    RunState.FAILED: "FAILED",
    RunState.INTERRUPTED: "KILLED",
}
KILLED_STATES = {str(state): state for state, status in STATUS.items() if status == "KILLED"}


def param_text(value: object) -> str:
    """A parameter as text: strings as they are, anything else as JSON, cut to MLflow's limit."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return cut(text, tags.MAX_PARAM)


def cut(text: str, limit: int) -> str:
    """`text`, or its beginning with a marker that says how long it was."""
    if len(text) <= limit:
        return text
    marker = f"... [cut, {len(text)} characters]"
    return text[: limit - len(marker)] + marker


def safe_key(key: str) -> str:
    """A parameter or metric name with the characters that MLflow refuses replaced by `_`."""
    safe = re.sub(r"[^\w.\-/ :]", "_", key)[: tags.MAX_KEY]
    parts = [part if part.strip(".") else "_" for part in safe.split("/")]
    return "/".join(parts)


def state_of(run: Run) -> RunState:
    """The state of a run; killed without our tag means that it was cut off, so FAILED."""
    status = run.info.status
    if status == "KILLED":
        return KILLED_STATES.get(run.data.tags.get(tags.STATE, ""), RunState.FAILED)
    known = {"FINISHED": RunState.FINISHED, "FAILED": RunState.FAILED}
    return known.get(status, RunState.RUNNING)


def record_of(run: Run) -> RunRecord:
    """The frozen record of an MLflow run."""
    held = dict(run.data.tags)
    state = state_of(run)
    role = held.get(tags.ROLE, "")
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        role=Role(role) if role in set(Role) else Role.RUN,
        state=state,
        number=_number(held.get(tags.TRIAL)),
        variant=held.get(tags.VARIANT),
        seed=_number(held.get(tags.SEED)),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=held,
        started=_time(run.info.start_time),
        # A run that was taken up again keeps its old end in MLflow.
        ended=None if state is RunState.RUNNING else _time(run.info.end_time),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?[0-9]+", text) else None


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
