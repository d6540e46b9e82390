"""The record of studies in MLflow; the only package that imports it, and only when used."""

from __future__ import annotations

from .environment import environment_record
from .reader import StudyReader
from .records import Role, RunRecord, RunState, StudyRecord, TrackingError
from .tracker import Tracker
from .uri import check_reachable, resolve_uri

__all__ = [
    "Role",
    "RunRecord",
    "RunState",
    "StudyReader",
    "StudyRecord",
    "Tracker",
    "TrackingError",
    "check_reachable",
    "environment_record",
    "resolve_uri",
]
