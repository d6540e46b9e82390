"""`build_report`: read a study, compute its numbers, write its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from .values import ReportData

FORMAT = 2
"""Version of the layout of report.json."""


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where a report was written, and its first sentence."""

    folder: Path
    html: Path
    markdown: Path
    json: Path
    headline: str


def build_report(
    study: str | None = None,
    *,
    tracking_uri: str | None = None,
    output: str | Path = "reports",
) -> ReportFiles:
    """Write ``<output>/<study>/``: index.html, report.md, report.json, tables and figures.

    Args:
        study: Name of the study; the newest of the tracking store when not given.
        tracking_uri: MLflow tracking URI; default as in DESIGN.md, section 3.
        output: Folder that gets a folder of the study's name.

    Raises:
        InputError: for a store or study that does not exist, or a folder that cannot be written.
    """
    from ..tracking.reader import StudyReader
    from .data import report_data

    reader = StudyReader(tracking_uri)
    record = reader.read(study)
    data = report_data(reader, record)
    folder = Path(output) / folder_name(record.name)
    try:
        return write_report(data, folder)
    except OSError as error:
        raise InputError(
            f"output: {str(folder)!r} cannot be written ({error.strerror or error})"
        ) from error


def write_report(data: ReportData, folder: Path) -> ReportFiles:
    """Write the files of ``data`` into ``folder``; tables and figures left from before go."""
    from .figures import figures
    from .render import render_html, render_markdown
    from .tables import tables, to_csv, to_latex

    drawn = figures(data)
    files = {"report.json": to_json(data)}
    files |= {f"figures/{figure.name}.svg": figure.file for figure in drawn}
    for table in tables(data):
        files[f"tables/{table.name}.csv"] = to_csv(table)
        files[f"tables/{table.name}.tex"] = to_latex(table)
    files |= {"report.md": render_markdown(data, drawn), "index.html": render_html(data, drawn)}
    for sub, pattern in (("tables", "*.csv"), ("tables", "*.tex"), ("figures", "*.svg")):
        (folder / sub).mkdir(parents=True, exist_ok=True)
        for old in (folder / sub).glob(pattern):
            if f"{sub}/{old.name}" not in files:
                old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return ReportFiles(
        folder,
        folder / "index.html",
        folder / "report.md",
        folder / "report.json",
        data.answer.headline,
    )


def to_json(data: ReportData) -> str:
    """Every number of the report; accuracies are fractions, published rows percent."""
    import json
    from dataclasses import asdict

    content: dict[str, Any] = {
        "format": FORMAT,
        "units": {"accuracy": "fraction of 1", "difference": "fraction of 1",
                  "published": "percent, as printed"},
        **asdict(data),
    }  # fmt: skip
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def folder_name(study: str) -> str:
    """The study's name if it is safe as a folder, else a safe one that differs for each name."""
    import hashlib
    import re

    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", study)[:80].strip(".-")
    if safe and safe == study:
        return safe
    return f"{safe or 'study'}-{hashlib.sha256(study.encode()).hexdigest()[:8]}"
