"""What a run says at its pauses, kept in its folder so that nothing measured is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import time as seconds_now

from .storage import append_line, storage

FILE = "reports.jsonl"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run says at a pause: step, metrics by key, and whether it is over.

    Attributes:
        time: when it was made, in seconds since the epoch.
    """

    step: int
    final: bool
    metrics: Mapping[str, float]
    time: float = field(default_factory=seconds_now)


def append_report(folder: Path, report: Report) -> None:
    """Add a report to the run's folder; it is on the disk when this returns.

    Raises:
        StorageFailure: the folder cannot be written.
    """
    with storage(folder / FILE):
        append_line(folder / FILE, json.dumps(asdict(report), sort_keys=True))


def read_reports(folder: Path) -> tuple[Report, ...]:
    """The reports of a run by step; of a step that was run twice, the first.

    What was published stays true; a metric that only the later report has is added to it.

    Raises:
        StorageFailure: the folder cannot be read.
    """
    found: dict[int, Report] = {}
    for report in read_lines(folder):
        found[report.step] = merge(found.get(report.step), report)
    return tuple(found[step] for step in sorted(found))


def merge(first: Report | None, again: Report) -> Report:
    """The report of a step that may have been run before."""
    if first is None:
        return again
    metrics = {**again.metrics, **first.metrics}
    return Report(first.step, first.final, metrics, first.time)


def read_lines(folder: Path) -> tuple[Report, ...]:
    """Every report in the order in which they were kept, also those of a step that was run twice.

    A line that a killed process left unfinished is passed over.

    Raises:
        StorageFailure: the folder cannot be read.
    """
    file = folder / FILE
    with storage(file):
        # A line torn by a power loss may hold any bytes.
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    reports = (_parse(line) for line in text.split("\n"))
    return tuple(report for report in reports if report is not None)


def _parse(line: str) -> Report | None:
    try:
        value = json.loads(line)
        return Report(value["step"], value["final"], value["metrics"], value["time"])
    except (ValueError, KeyError, TypeError):
        return None
