"""The report of a study: one page that answers the question, with every number beside it."""

from __future__ import annotations

from .build import ReportFiles, build_report

__all__ = ["ReportFiles", "build_report"]
