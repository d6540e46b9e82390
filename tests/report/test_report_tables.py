from __future__ import annotations

import csv
import io

import pytest

from mlctl_ray.report.tables import Column, Table, escape_latex, to_csv, to_latex


def table(*cells: str | float | None) -> Table:
    column = Column("=head", lambda cell: "–" if cell is None else str(cell))
    return Table("t", "100% & more", (column,), tuple((cell,) for cell in cells))


@pytest.mark.parametrize(
    "text", ["=1+1", "+SUM(A1)", "-2+3", "@cmd", "\t=1", "  =1", "＝1", "=cmd|' /C calc'!A0"]
)
def test_text_that_looks_like_a_formula_is_defused(text: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(table(text)))))
    assert rows == [["'=head"], [f"'{text}"]]


def test_numbers_keep_all_digits_and_sign() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(table(-0.123456789012, None, "-1e-05", 'a,"b"')))))
    assert [row for (row, *_) in rows[1:] if row] == ["-0.123456789012", "-1e-05", 'a,"b"']


def test_latex_escapes_every_special() -> None:
    assert escape_latex(r"a_b%&#${}~^\x") == (
        r"a\_b\%\&\#\$\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}x"
    )
    text = to_latex(table("a & b\\\\ \n\\input{x}"))
    assert r"\input" not in text
    assert r"a \& b\textbackslash{}\textbackslash{} \textbackslash{}input\{x\} \\" in text
    assert r"\caption{100\% \& more}" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
