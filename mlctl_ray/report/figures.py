"""Figures as SVG: one text for the page, which follows its colours, and one for a file."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .formats import measure, points, signed_points
from .objectives import is_accuracy
from .values import (
    ZERO_SHOT,
    Comparison,
    Objective,
    PairMatrices,
    ReportData,
    Row,
    Search,
    Trial,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

_INK = "#010203"
"""Colour of text and axes, replaced by the page's own or by black."""
_BLACK = "#1b1b1b"
_EFFECT = "#2a7f8e"
_ANNOTATED = 16
_LABEL_LENGTH = 12
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mlctl-ray",
    "text.parse_math": False,
    "font.size": 9.0,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: file name without ending, caption title, and what it shows in words."""

    name: str
    title: str
    description: str
    inline: str
    """An ``<svg>`` element for a page, ids unique to the figure, text in the page's colour."""
    file: str
    """A complete SVG document, black on transparent."""


def figures(data: ReportData) -> tuple[Figure, ...]:
    """Effects by language, pair matrices of baseline, selected and difference, the Pareto set."""
    import matplotlib as mpl

    found = []
    with mpl.rc_context(_RC):
        if data.comparison and any(row.effect for row in data.comparison.languages):
            found.append(_effects(data.comparison))
        if data.pairs and data.comparison:
            found += _matrices(data.pairs, data.comparison)
        if data.search.objectives:
            found.append(_pareto(data.search))
    return tuple(found)


def _effects(comparison: Comparison) -> Figure:
    from matplotlib.figure import Figure as MplFigure

    rows = [row for row in (*comparison.languages, *comparison.averages) if row.effect]
    figure = MplFigure(figsize=(6.4, 0.6 + 0.29 * len(rows)))
    axes = figure.add_subplot()
    axes.axvline(0, color=_INK, linewidth=0.8)
    for place, row in enumerate(rows):
        _effect_line(axes, place, row)
    axes.set_yticks(range(len(rows)), [_effect_label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(f"{comparison.selected} minus {comparison.baseline}, points of accuracy")
    axes.grid(axis="x", color=_INK, alpha=0.15, linewidth=0.6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False)
    told = "; ".join(
        f"{row.label} {signed_points(e.difference)} ({points(e.low)} to {points(e.high)})"
        for row in rows
        if (e := row.effect)
    )
    return _render(
        figure,
        "effects",
        f"Effect of {comparison.selected} on {comparison.split}, with 95% intervals",
        f"Difference to {comparison.baseline} in points: {told}.",
    )


def _effect_line(axes: Axes, place: int, row: Row) -> None:
    effect = row.effect
    if effect is None:
        return
    color = _INK if row.kind == "average" else _EFFECT
    axes.plot([100 * effect.low, 100 * effect.high], [place, place], color=color, linewidth=1.6)
    clear = effect.p_holm is not None and effect.p_holm < 0.05
    average = row.kind == "average" and not effect.low <= 0 <= effect.high
    axes.plot(
        100 * effect.difference,
        place,
        marker="D" if row.kind == "average" else "o",
        markersize=6.5,
        markeredgewidth=1.6,
        color=color,
        markerfacecolor=color if clear or average else "none",
    )


def _effect_label(row: Row) -> str:
    label = {"mean": "mean, all", ZERO_SHOT: "mean, zero-shot"}.get(row.target, row.target)
    if row.target == "mean_zero_shot_readable":
        label = "mean, readable"
    return _short(label, 18) + (" †" if row.marked else "")


def _matrices(pairs: PairMatrices, comparison: Comparison) -> list[Figure]:
    both = [v for rows in (pairs.baseline, pairs.selected) for row in rows for v in row]
    known = [value for value in both if value is not None] or [0.0, 1.0]
    changes = [abs(v) for row in pairs.difference for v in row if v is not None]
    span = max([*changes, 0.05])
    common = {"cmap": "cividis", "vmin": 100 * min(known), "vmax": 100 * max(known)}
    centred = {"cmap": "PuOr", "vmin": -100 * span, "vmax": 100 * span}
    unit = "accuracy, %"
    parts = (
        ("pairs_baseline", comparison.baseline, pairs.baseline, common, unit),
        ("pairs_selected", comparison.selected, pairs.selected, common, unit),
        ("pairs_difference", f"{comparison.selected} minus {comparison.baseline}",
         pairs.difference, centred, "points"),
    )  # fmt: skip
    return [
        _matrix(name, title, matrix, pairs.languages, scale, label)
        for name, title, matrix, scale, label in parts
    ]


def _matrix(
    name: str,
    title: str,
    matrix: Sequence[Sequence[float | None]],
    languages: Sequence[str],
    scale: dict[str, Any],
    unit: str,
) -> Figure:
    from matplotlib.figure import Figure as MplFigure

    size = len(languages)
    values = 100 * np.array([[np.nan if v is None else v for v in row] for row in matrix])
    side = max(2.2, 0.36 * size)
    figure = MplFigure(figsize=(side + 1.25, side + 0.75))
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(np.ma.masked_invalid(values), edgecolors="none", **scale)
    names = [_short(language, _LABEL_LENGTH) for language in languages]
    turn = 90 if max(map(len, names)) > 3 else 0
    axes.set_xticks(np.arange(size) + 0.5, names, rotation=turn)
    axes.set_yticks(np.arange(size) + 0.5, names)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.set_xlabel("hypothesis")
    axes.set_ylabel("premise")
    for spine in axes.spines.values():
        spine.set_visible(False)
    if size <= _ANNOTATED:
        _annotate(axes, values, mesh)
    bar = figure.colorbar(mesh, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label(unit)
    bar.outline.set_visible(False)
    return _render(figure, name, title, _matrix_words(title, values, languages, unit))


def _pareto(search: Search) -> Figure:
    from matplotlib.figure import Figure as MplFigure

    first, second = search.objectives[:2]
    figure = MplFigure(figsize=(5.2, 3.6))
    axes = figure.add_subplot()
    shown = [t for t in search.trials if t.state == "finished" and None not in t.objectives[:2]]
    for trial in shown:
        _pareto_point(axes, trial, (_scale(first), _scale(second)))
    for axis, objective in ((axes.xaxis, first), (axes.yaxis, second)):
        unit = ", %" if is_accuracy(objective.key) else ""
        axis.set_label_text(f"{_short(objective.name, 40)}{unit} ({objective.direction})")
    axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    told = "; ".join(
        f"trial {trial.number}: {measure(trial.objectives[0], first.key)} and "
        f"{measure(trial.objectives[1], second.key)}"
        for trial in shown
        if trial.pareto
    )
    return _render(
        figure,
        "pareto",
        f"{first.name} and {second.name} of the finished trials",
        f"{first.name} and {second.name} of the Pareto set. {told or 'It is empty'}.",
    )


def _scale(objective: Objective) -> float:
    return 100.0 if is_accuracy(objective.key) else 1.0


def _pareto_point(axes: Axes, trial: Trial, scales: tuple[float, float]) -> None:
    x, y = (
        value * s for value, s in zip(trial.objectives, scales, strict=False) if value is not None
    )
    color = _EFFECT if trial.pareto else _INK
    axes.plot(
        x,
        y,
        marker="o" if trial.feasible else "x",
        markersize=7 if trial.pareto else 5,
        color=color,
        markerfacecolor=color if trial.pareto else "none",
        linestyle="none",
    )
    if trial.pareto:
        axes.annotate(str(trial.number), (x, y), xytext=(5, 4), textcoords="offset points")


def _annotate(axes: Axes, values: Any, mesh: Any) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = mesh.cmap(mesh.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{value:.0f}".replace("-", "−"),
                ha="center",
                va="center",
                fontsize=7.5,
                color="#ffffff" if dark else "#000000",
            )


def _matrix_words(title: str, values: Any, languages: Sequence[str], unit: str) -> str:
    if not np.isfinite(values).any():
        return f"{title}: no cell has a value."
    lowest, highest = (
        f"{values.flat[place]:.1f} for premise {languages[place // len(languages)]}, "
        f"hypothesis {languages[place % len(languages)]}"
        for place in (int(np.nanargmin(values)), int(np.nanargmax(values)))
    )
    return (
        f"{title}: {unit} by premise and hypothesis language; lowest {lowest}; highest {highest}."
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _render(figure: MplFigure, name: str, title: str, description: str) -> Figure:
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(
        buffer, format="svg", bbox_inches="tight", transparent=True, metadata=no_metadata
    )
    document = buffer.getvalue()
    document = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", document)
    inline = document[document.index("<svg") :].replace(_INK, "currentColor")
    inline = re.sub(r"<style[^>]*>.*?</style>", "", inline, flags=re.DOTALL)
    inline = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", inline)
    inline = inline.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return Figure(name, title, description, inline, document.replace(_INK, _BLACK))
