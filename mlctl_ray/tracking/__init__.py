"""The record of studies in MLflow; the only package that imports it, and only when used."""

from __future__ import annotations

from .documents import Point, RunDocument
from .environment import environment_record
from .publisher import Publisher
from .reader import StudyReader
from .records import Role, RunRecord, RunState, StudyRecord, TrackingError
from .registry import register_model
from .tracker import Tracker
from .uri import check_reachable, resolve_uri

__all__ = [
    "Point",
    "Publisher",
    "Role",
    "RunDocument",
    "RunRecord",
    "RunState",
    "StudyReader",
    "StudyRecord",
    "Tracker",
    "TrackingError",
    "check_reachable",
    "environment_record",
    "register_model",
    "resolve_uri",
]
