"""The files of a report: harmless, self-contained, readable in a browser, made by the command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from synthetic_study import StudyWriter, confirmed_study, level
from typer.testing import CliRunner

from mlctl_ray.report import ReportFiles, build_report
from mlctl_ray.report.build import folder_name
from mlctl_ray.report.cli import app

Built = tuple[StudyWriter, ReportFiles]
HOSTILE = "<script>alert(1)</script>\"'`|& $x_1^2$ {y}% ~\\input{z} ${7*7} {{7*7}}"
VOID = {"meta", "link", "br", "wbr"}


class Page(HTMLParser):
    """Tags with their attributes, headings, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_page_is_self_contained_and_accessible(large_effect: Built) -> None:
    _, files = large_effect
    text = files.html.read_text()
    page = Page(text)
    assert page.open == []
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            assert re.match(r"#|data:|$", attributes.get(name) or "")
        assert not any(name.startswith("on") for name in attributes)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in page.all("a") if a["href"]}
    targets |= {a["aria-labelledby"] for _, a in page.tags if a.get("aria-labelledby")}
    targets |= {str(a["xlink:href"])[1:] for a in page.all("use")}
    assert targets <= set(ids)
    assert len(page.all("h1")) == 1
    assert len(page.all("table")) == len(page.all("caption")) == 10
    for heading in page.all("th"):
        assert heading.get("scope") in ("col", "row", "rowgroup")
    drawings = [a for a in page.all("div") if a.get("role") == "img"]
    assert len(drawings) == len(page.all("svg")) == 4
    assert all(len(a["aria-label"] or "") > 40 for a in drawings)
    assert text.startswith("<!DOCTYPE html>")
    for title in ("By language", "Published results", "Language pairs", "Trials"):
        assert f">{title}</h2>" in text


def test_all_files_are_written_and_old_ones_go(large_effect: Built) -> None:
    study, files = large_effect
    (files.folder / "tables" / "old.csv").write_text("old")
    again = build_report(study.name, tracking_uri=study.uri, output=study.folder / "reports")
    assert again == files
    written = {str(path.relative_to(files.folder)) for path in files.folder.rglob("*.*")}
    tables = ("effect_sizes", "effects", "pairs", "per_language", "published", "ranking")
    figures = ("effects", "pairs_baseline", "pairs_difference", "pairs_selected")
    assert written == {
        "index.html", "report.md", "report.json",
        *(f"tables/{name}.{kind}" for name in tables for kind in ("csv", "tex")),
        *(f"figures/{name}.svg" for name in figures),
    }  # fmt: skip
    for name in figures:
        root = ElementTree.parse(files.folder / "figures" / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


@pytest.fixture(scope="module")
def hostile(new_store: Callable[[], Path]) -> Built:
    languages = ("en", "de", f"x{HOSTILE}", "=1+1")
    study = confirmed_study(
        new_store(), effect=0.1, name=HOSTILE[:60], languages=languages, seeds=1, trials=False
    )
    study.trial(7, level(0.6), variant=f"=1+1{HOSTILE}", levels=HOSTILE, temperature="x" * 300)
    return study, build_report(tracking_uri=study.uri, output=study.folder / "reports")


def test_hostile_names_are_harmless_in_html_and_markdown(hostile: Built) -> None:
    study, files = hostile
    text = files.html.read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.all("script")) == 1
    assert "alert(1)</script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{7*7}}" in text
    assert "x" * 300 in text
    markdown = files.markdown.read_text()
    assert "<script" not in markdown
    assert "](figures/pairs_baseline.svg)" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ") and "alert" in line]
    assert rows
    bars = {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "MLflow" not in row}
    assert len(bars) <= 3
    assert files.folder.parent == study.folder / "reports"
    assert re.fullmatch(r"[A-Za-z0-9._-]+", files.folder.name)


def test_hostile_names_are_harmless_in_tables_and_figures(hostile: Built) -> None:
    _, files = hostile
    for path in (files.folder / "tables").glob("*.csv"):
        for cell in re.split(r"[,\n]", path.read_text()):
            assert not cell.lstrip('" ').startswith("=")
    for path in (files.folder / "tables").glob("*.tex"):
        assert r"\input" not in path.read_text()
        assert not re.search(r"(?<!\\)\$x", path.read_text())
    for path in (files.folder / "figures").glob("*.svg"):
        names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert "script" not in names
    assert json.loads(files.json.read_text())["study"] == HOSTILE[:60]


@pytest.mark.parametrize("name", ["../../etc", "..", ".hidden", "a/b", "é", "", "x" * 300, "CON:"])
def test_folder_stays_inside_the_output(name: str) -> None:
    folder = folder_name(name)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", folder)
    assert folder != name
    assert folder_name("a/b") != folder_name("a-b") == "a-b"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_command_writes_the_newest_study(large_effect: Built, tmp_path: Path) -> None:
    study, files = large_effect
    done = run("-m", "mlctl_ray.report", "--tracking-uri", study.uri, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Yes: ")
    assert done.stdout.splitlines()[-1] == "report: reports/synthetic/index.html"
    again = tmp_path / "reports" / "synthetic" / "report.json"
    assert again.read_text() == files.json.read_text()


def test_wrong_input_is_one_line_and_exit_code_2(
    large_effect: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = large_effect
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "file").write_text("")
    for arguments, words in (
        (["nosuch", "--tracking-uri", study.uri], "'nosuch'"),
        (["--tracking-uri", study.uri, "--output", "file"], "cannot be written"),
        ([], "mlflow.db"),
    ):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2
        assert re.fullmatch(r"error: [^\n]*\n", done.stderr)
        assert words in done.stderr


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv = ['report', '--help']\n"
        "try:\n    runpy.run_module('mlctl_ray.report', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'mlflow', 'pandas', 'numpy', 'matplotlib', 'torch', 'jinja2', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = run("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for option in ("--tracking-uri", "--output", "[STUDY]"):
        assert option in done.stdout


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not on PATH")
def test_browser_shows_and_sorts_the_page(large_effect: Built, tmp_path: Path) -> None:
    _, files = large_effect
    probe = (
        "<script>const table = [...document.querySelectorAll('table.sortable')].at(-1);"
        "const column = () => [...table.tBodies[0].rows].map(r => r.cells[4].textContent);"
        "const button = table.tHead.rows[0].cells[4].querySelector('button');"
        "button.click(); const up = column(); button.click();"
        "document.title = JSON.stringify([up, column(),"
        " table.tHead.rows[0].cells[4].getAttribute('aria-sort'),"
        " document.documentElement.scrollWidth <= innerWidth,"
        " performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"
        "]);</script></body>"
    )
    page = tmp_path / "page.html"
    page.write_text(files.html.read_text().replace("</body>", probe))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--no-first-run",
         f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--window-size=500,2000", f"--screenshot={tmp_path / 'page.png'}", "--dump-dom",
         page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stderr
    up, down, direction, fits, requests = json.loads(title[1])
    scores = [float(text) for text in up if text != "–"]
    assert len(scores) == 4
    assert scores == sorted(scores)
    assert [float(text) for text in down if text != "–"] == scores[::-1]
    assert up[-1] == down[-1] == "–"
    assert (direction, fits, requests) == ("descending", True, 0)
