"""What a run says at its pauses, kept in its folder so that nothing measured is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "reports.jsonl"


@dataclass(frozen=True, slots=True)
class Report:
    """What a run says at a pause: step, metrics by key, and whether it is over."""

    step: int
    final: bool
    metrics: Mapping[str, float]


def append_report(folder: Path, report: Report) -> None:
    """Add a report to the run's folder."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(report), sort_keys=True) + "\n")


def read_reports(folder: Path) -> tuple[Report, ...]:
    """The reports of a run by step; of a step that was run twice, the last.

    A line that a killed process left unfinished is passed over.
    """
    file = folder / FILE
    found: dict[int, Report] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        found[value["step"]] = Report(value["step"], value["final"], value["metrics"])
    return tuple(found[step] for step in sorted(found))
