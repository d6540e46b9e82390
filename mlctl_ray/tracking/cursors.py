"""What has been delivered to the store, kept on disk beside what is to be delivered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .records import RunState


@dataclass(slots=True)
class Cursor:
    """How much of one run the store holds."""

    run_id: str
    params: bool = False
    """Whether the parameters were delivered, or refused."""
    points: list[str] = field(default_factory=list)
    """`Point.key` of every point delivered."""
    tags: dict[str, str] = field(default_factory=dict)
    state: RunState = RunState.RUNNING
    """State that the store has."""
    error: str | None = None
    artifacts: str | None = None
    """`RunDocument.artifact_key` of the artifacts delivered."""


class CursorFolder:
    """A small JSON file a run, replaced in whole by every write.

    A file that cannot be read counts as none: delivering again changes nothing in the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Cursor] = {}

    def get(self, name: str) -> Cursor | None:
        """The cursor of a run by its name."""
        if name not in self._known:
            content = read_json(self._path(name))
            try:
                if content is not None and content.pop("name") == name:
                    self._known[name] = Cursor(**{**content, "state": RunState(content["state"])})
            except (KeyError, TypeError, ValueError):
                return None
        return self._known.get(name)

    def put(self, name: str, cursor: Cursor) -> None:
        """Keep a cursor."""
        self._known[name] = cursor
        write_json(self._path(name), {"name": name, **asdict(cursor)})

    def drop(self, name: str) -> None:
        """Forget a cursor that does not fit the store."""
        self._known.pop(name, None)
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80]
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        return self._folder / f"run-{safe}-{mark}.json"


def read_json(path: Path) -> dict[str, Any] | None:
    """An object of a JSON file; None when there is no such file or it holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file; a kill at any moment leaves the old or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)
