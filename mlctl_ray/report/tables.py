"""The tables of a report as values, CSV and LaTeX (booktabs)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .formats import (
    amount,
    measure,
    number,
    p_value,
    parameter,
    percent,
    points,
    signed_points,
)
from .published import LANGUAGES
from .values import (
    Budget,
    Comparison,
    McNemar,
    PairMatrices,
    Published,
    ReportData,
    Row,
    Score,
    Search,
    Sized,
    Trial,
)

Cell = str | float | int | None
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "−": r"$-$", "–": "--", "±": r"$\pm$", "∞": r"$\infty$", "†": r"\textdagger{}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and how the cells below it are written in LaTeX."""

    title: str
    written: Callable[[Cell], str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values; CSV has them in full, LaTeX as the page rounds them."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def tables(data: ReportData) -> tuple[Table, ...]:
    """Every table that the study has numbers for."""
    found = [_ranking(data.search)] if data.search.trials else []
    if data.search.objectives:
        found.append(_pareto(data.search))
    if data.budget:
        found.append(_budget(data.budget))
    if data.comparison:
        found.append(_per_language(data.comparison))
        if data.comparison.effects:
            found += [_effects(data.comparison), _effect_sizes(data.comparison)]
    if data.published:
        found.append(_published(data.published))
    if data.pairs and data.comparison:
        found.append(_pairs(data.pairs, data.comparison))
    return tuple(found)


def to_csv(table: Table) -> str:
    """Comma separated, one heading line; text that a spreadsheet would run as a formula is quoted.

    A text cell that starts like a formula gets a leading apostrophe (OWASP, CSV injection).
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_csv_cell(column.title) for column in table.columns])
    writer.writerows([[_csv_cell(cell) for cell in row] for row in table.rows])
    return buffer.getvalue()


def to_latex(table: Table) -> str:
    """A ``table`` environment; needs ``\\usepackage{booktabs}``."""
    kinds = "".join(
        "l" if any(isinstance(row[place], str) for row in table.rows) else "r"
        for place in range(len(table.columns))
    )
    head = " & ".join(escape_latex(column.title) for column in table.columns)
    body = "\n".join(
        " & ".join(
            escape_latex(column.written(cell))
            for column, cell in zip(table.columns, row, strict=True)
        )
        + r" \\"
        for row in table.rows
    )
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{escape_latex(table.caption)}}}\n"
        f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is; line breaks become spaces."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _csv_cell(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA_STARTS) else cell
    return cell


def _text(cell: Cell) -> str:
    return "–" if cell is None else str(cell)


def _as(format_number: Callable[[float | None], str]) -> Callable[[Cell], str]:
    return lambda cell: cell if isinstance(cell, str) else format_number(cell)


_POINTS, _SIGNED, _P = _as(points), _as(signed_points), _as(p_value)
_NUMBER, _PERCENT, _AMOUNT = _as(number), _as(percent), _as(amount)


def _per_language(comparison: Comparison) -> Table:
    columns = [Column("language", _text), Column("kind", _text), Column("unreadable", _POINTS)]
    for variant in comparison.variants:
        columns += [Column(variant, _POINTS), Column(f"{variant} sd", _POINTS)]
    columns += [Column("difference", _SIGNED), Column("low", _POINTS), Column("high", _POINTS),
                Column("p", _P), Column("p Holm", _P)]  # fmt: skip

    def cells(row: Row) -> tuple[Cell, ...]:
        effect = row.effect
        interval: tuple[Cell, ...] = (None, None, None, None)
        if effect:
            interval = (effect.low, effect.high, effect.p, effect.p_holm)
        kind = f"{row.kind}, unreadable" if row.marked else row.kind
        scores = [value for score in row.scores for value in _score_cells(score)]
        return (row.target, kind, row.unreadable, *scores, row.difference, *interval)

    rows = tuple(cells(row) for row in (*comparison.languages, *comparison.averages))
    caption = (
        f"Accuracy by language on {comparison.split}; difference is {comparison.selected} minus "
        f"{comparison.baseline} with its 95% interval over seeds and examples."
    )
    return Table("per_language", caption, tuple(columns), rows)


def _score_cells(score: Score | None) -> tuple[Cell, Cell]:
    return (None, None) if score is None else (score.accuracy, score.deviation)


def _effects(comparison: Comparison) -> Table:
    columns = (
        Column("variant", _text), Column("target", _text), Column("difference", _SIGNED),
        Column("low", _POINTS), Column("high", _POINTS), Column("p", _P), Column("p Holm", _P),
        Column("detectable", _POINTS), Column("seeds", _text), Column("examples", _text),
    )  # fmt: skip
    rows = tuple(
        (e.variant, e.target, e.difference, e.low, e.high, e.p, e.p_holm, e.detectable, e.seeds,
         e.examples)
        for e in comparison.effects
    )  # fmt: skip
    caption = f"Effects on {comparison.split}: variant minus {comparison.baseline}."
    return Table("effects", caption, columns, rows)


def _effect_sizes(comparison: Comparison) -> Table:
    columns = (
        Column("variant", _text), Column("target", _text),
        Column("h", _NUMBER), Column("h low", _NUMBER), Column("h high", _NUMBER),
        Column("odds ratio", _NUMBER), Column("odds low", _NUMBER), Column("odds high", _NUMBER),
        Column("bootstrap low", _POINTS), Column("bootstrap high", _POINTS),
        Column("bootstrap p", _P), Column("McNemar exact", _P), Column("McNemar mid-p", _P),
        Column("discordant", _text),
    )  # fmt: skip
    rows = tuple(
        (e.variant, e.target, *_sized(e.cohens_h), *_sized(e.odds_ratio), e.bootstrap.low,
         e.bootstrap.high, e.bootstrap.p, *_mcnemar(e.mcnemar))
        for e in comparison.effects
    )  # fmt: skip
    caption = (
        f"Effect sizes and second opinions on {comparison.split}; discordant: examples that only "
        f"the variant : only {comparison.baseline} has right, seed by seed."
    )
    return Table("effect_sizes", caption, columns, rows)


def _sized(size: Sized | None) -> tuple[Cell, ...]:
    return (None, None, None) if size is None else (size.value, size.low, size.high)


def _mcnemar(test: McNemar | None) -> tuple[Cell, ...]:
    if test is None:
        return (None, None, None)
    counts = " ".join(f"{gained}:{lost}" for gained, lost in test.discordant)
    return (test.exact, test.mid_p, counts)


def _pareto(search: Search) -> Table:
    columns = [Column("trial", _text)]
    columns += [Column(o.name, _measured(o.key)) for o in search.objectives]
    columns += [Column(name, lambda cell: parameter(_text(cell))) for name in search.parameters]
    rows = tuple(
        (trial.number, *trial.objectives, *trial.parameters)
        for trial in search.trials
        if trial.number in search.pareto
    )
    return Table("pareto", "Trials that no other trial dominates.", tuple(columns), rows)


def _measured(key: str) -> Callable[[Cell], str]:
    return _as(lambda value: measure(value, key))


def _budget(budget: Budget) -> Table:
    columns = (Column("what", _text), Column("plan", _AMOUNT), Column("spent", _AMOUNT),
               Column("limit", _AMOUNT))  # fmt: skip
    rows = tuple((row.what, row.plan, row.spent, row.limit) for row in budget.rows)
    return Table("budget", "Budget: plan and spent.", columns, rows)


def _ranking(search: Search) -> Table:
    fixed = ("rank", "trial", "state", "variant", "objective", "source", "mean zero-shot")
    formats = (_text, _text, _text, _text, _POINTS, _POINTS, _POINTS)
    columns = [Column(name, form) for name, form in zip(fixed, formats, strict=True)]
    columns += [Column("device-hours", _NUMBER)]
    columns += [Column(name, lambda cell: parameter(_text(cell))) for name in search.parameters]
    rows = tuple(
        (t.rank, t.number, _state(t), t.variant, t.objective, t.source, t.mean_zero_shot,
         t.device_hours, *t.parameters)
        for t in search.trials
    )  # fmt: skip
    return Table("ranking", f"Trials by {search.objective_key}.", tuple(columns), rows)


def _state(trial: Trial) -> str:
    return trial.state if trial.feasible else f"{trial.state}, infeasible"


def _published(rows: Sequence[Published]) -> Table:
    columns = [Column("system", _text), Column("setting", _text)]
    columns += [Column(language, _PERCENT) for language in LANGUAGES]
    columns += [Column("average", _PERCENT), Column("source", _text), Column("note", _text)]
    cells = tuple(
        (r.system, r.setting, *(r.accuracy.get(name) for name in LANGUAGES), r.average, r.source,
         r.note)
        for r in rows
    )  # fmt: skip
    return Table("published", "Published XNLI test accuracy.", tuple(columns), cells)


def _pairs(pairs: PairMatrices, comparison: Comparison) -> Table:
    columns = (
        Column("premise", _text), Column("hypothesis", _text),
        Column(comparison.baseline, _POINTS), Column(comparison.selected, _POINTS),
        Column("difference", _SIGNED),
    )  # fmt: skip
    rows = tuple(
        (premise, hypothesis, pairs.baseline[i][j], pairs.selected[i][j], pairs.difference[i][j])
        for i, premise in enumerate(pairs.languages)
        for j, hypothesis in enumerate(pairs.languages)
    )
    caption = f"Accuracy by premise and hypothesis language on {pairs.split}."
    return Table("pairs", caption, columns, rows)
