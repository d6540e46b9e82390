"""What the store should hold of a run: frozen values that a search keeps on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .records import Role, RunState


@dataclass(frozen=True, slots=True)
class Point:
    """The metrics of one evaluation."""

    step: int
    """Optimiser steps done."""
    time_ms: int
    """When they were measured, in milliseconds since 1970."""
    metrics: Mapping[str, float]

    @property
    def key(self) -> str:
        """Text that is equal for equal points, in every process."""
        values = sorted((name, float(value)) for name, value in self.metrics.items())
        return f"{self.step}:{self.time_ms}:{_digest(values)}"


@dataclass(frozen=True, slots=True)
class RunDocument:
    """Everything that the store should hold of one run of a study."""

    name: str
    """Unique within the study, such as ``trial-0003`` or ``best-seed-123``."""
    role: Role
    """TRIAL or REPLICATE."""
    number: int | None
    """Number of a trial; None for a replicate."""
    variant: str | None
    """Named variant; a replicate has one, a trial may."""
    seed: int | None
    """Seed of a replicate; None for a trial."""
    params: Mapping[str, object]
    """Dotted config names; never changed once the run has been begun."""
    tags: Mapping[str, str]
    points: tuple[Point, ...]
    """By step."""
    state: RunState
    error: str | None
    """Why the run failed or was interrupted."""
    texts: Mapping[str, str]
    """Artifact path to text; logged when the run has ended."""
    artifacts: tuple[tuple[Path, str | None], ...]
    """File or folder, and the artifact folder for it; logged when the run has ended."""

    def __post_init__(self) -> None:
        """Refuse a document that could not be a run of a study."""
        trial = self.role is Role.TRIAL and self.number is not None
        replicate = (
            self.role is Role.REPLICATE and self.variant is not None and self.seed is not None
        )
        if not (trial or replicate):
            raise ValueError(
                f"run document {self.name!r}: a trial needs a number, a replicate a variant and a "
                f"seed, other roles are not allowed; got {self.role.value}"
            )

    def artifact_key(self) -> str:
        """Text that changes when a text or a file of the artifacts changes (size or time)."""
        files = []
        for source, folder in self.artifacts:
            below = sorted(source.rglob("*")) if source.is_dir() else [source]
            found = [(str(path), path.stat()) for path in below if path.is_file()]
            files.append((folder, [(path, s.st_size, s.st_mtime_ns) for path, s in found]))
        return _digest([sorted(self.texts.items()), files])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
