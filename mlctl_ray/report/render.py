"""The page and the Markdown of a report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import formats
from .languages import language_label
from .published import LANGUAGES, TRANSLATE_TEST, TRANSLATE_TRAIN, ZERO_SHOT_SETTING
from .values import ReportData

if TYPE_CHECKING:
    from jinja2 import Environment

    from .figures import Figure

_MARKDOWN = re.compile(r"([\\`*_\[\]|~#])")


def render_html(data: ReportData, figures: Sequence[Figure]) -> str:
    """One self-contained page: styles, script and figures inline, no request to anywhere."""
    return _environment(html=True).get_template("index.html.j2").render(_context(data, figures))


def render_markdown(data: ReportData, figures: Sequence[Figure]) -> str:
    """The same content as Markdown, with figures as links to their files."""
    return _environment(html=False).get_template("report.md.j2").render(_context(data, figures))


def escape_markdown(value: Any) -> Any:
    """Text that Markdown and HTML inside it show as it is, on one line.

    Numbers, and text that a template marks as safe, are unchanged.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    line = " ".join(value.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", line)


def _context(data: ReportData, figures: Sequence[Figure]) -> dict[str, Any]:
    shown = [name for name in LANGUAGES if name in data.languages]
    by_language = [row for row in data.published if set(row.accuracy) & set(shown)]
    notes = dict.fromkeys(f"{r.source}; {r.note}" if r.note else r.source for r in by_language)
    return {
        "footnotes": {text: number for number, text in enumerate(notes, start=1)},
        "data": data,
        "figures": {figure.name: figure for figure in figures},
        "published_languages": shown,
        "averages_only": [row for row in data.published if not row.accuracy],
        "published": [
            (setting, rows)
            for setting in (ZERO_SHOT_SETTING, TRANSLATE_TEST, TRANSLATE_TRAIN)
            if (rows := [r for r in by_language if r.setting == setting])
        ],
    }


@lru_cache(maxsize=2)
def _environment(*, html: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlctl_ray.report"),
        autoescape=html,  # noqa: S701 - Markdown escapes through finalize
        finalize=None if html else escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        points=formats.points,
        signed=formats.signed_points,
        percent=formats.percent,
        p=formats.p_value,
        number=formats.number,
        amount=formats.amount,
        measure=formats.measure,
        parameter=formats.parameter,
        language=language_label,
    )
    return environment
