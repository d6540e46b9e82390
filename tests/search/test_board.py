"""The board of a running stage, and plain lines where there is no terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from simulated import Driver, desk_of, drive, simulated

from mlctl_ray.search.board import Line, Totals, eta_seconds, headline, render, sparkline
from mlctl_ray.search.observer import Observers
from mlctl_ray.search.progress import Progress
from mlctl_ray.search.search_stage import SearchStage

TOTALS = Totals("study s", planned=10, ended=2, at_once=2, device_hours=1.5)


def line(name: str, state: str, step: int = 4, **fields: Any) -> Line:
    fields = {"started": 0.0} | fields
    return Line(name, "multi", state, step, 8, **fields)


def text_of(lines: list[Line], errors: list[str], now: float = 100.0) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(render(lines, TOTALS, errors, now))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_sparkline_goes_from_chance_to_one() -> None:
    assert sparkline([1 / 3, 0.62, 1.0]) == "▁▄█"
    assert sparkline([0.0, 0.2]) == "▁▁"
    assert sparkline([]) == ""


@given(st.lists(st.floats(0, 1)))
def test_sparkline_is_one_bar_a_value_and_rises_with_it(values: list[float]) -> None:
    bars = sparkline(sorted(values))
    assert len(bars) == len(values)
    assert list(bars) == sorted(bars)


def test_time_left_is_unknown_before_any_progress() -> None:
    assert eta_seconds([], TOTALS, 50.0) is None
    assert eta_seconds([line("a", "running", step=0)], TOTALS, 50.0) is None
    assert "time left unknown" in headline([], TOTALS, 50.0)


def test_time_left_follows_ended_runs_else_the_pace_of_running_ones() -> None:
    ended = line("a", "finished", ended=100.0)
    running = line("b", "running", started=100.0)
    # One of 100 s is half done, 7 wait, two at once.
    assert eta_seconds([ended, running], TOTALS, 150.0) == (50 + 7 * 100) / 2
    # Half of the steps in 50 s: 100 s each.
    assert eta_seconds([running], TOTALS, 150.0) == (50 + 7 * 100) / 2
    late = line("c", "running", started=0.0, step=2)
    assert eta_seconds([ended, late], TOTALS, 500.0) == 7 * 100 / 2
    done = Totals("s", 2, 2, 2, 0.0)
    assert eta_seconds([ended], done, 500.0) == 0


def test_headline_has_best_budget_and_money() -> None:
    totals = Totals("study s", 10, 2, 2, 1.5, device_hours_limit=4.0, cost=3.0, currency="EUR")
    best = line("b", "finished", objective=0.7, ended=61.0)
    other = line("a", "finished", objective=0.6, ended=61.0)
    running = line("c", "running", objective=0.9)
    found = headline([other, best, running], totals, 61.0)
    assert found.startswith("study s: 2 of 10 ended · best 70.0% (b, multi)")
    assert found.endswith("1.50 of 4.00 device-hours · 3.00 EUR")
    assert "min" in found


def test_five_hundred_runs_are_a_short_table_with_the_running_and_the_best() -> None:
    lines = [
        line(f"t{n}", "finished", objective=n / 500, ended=9.0, languages={"en": n / 500})
        for n in range(500)
    ]
    lines.insert(250, line("live", "running"))
    lines.append(line("broken", "failed", ended=9.0))
    text = text_of(lines, ["one failed"])
    assert len(text.splitlines()) < 26
    assert "live" in text and "t499" in text and "t3 " not in text
    assert "and 488 more" in text and "one failed" in text


@pytest.mark.parametrize("name", ["[bold]x[/bold]", "[/]", "[red", "a\\[b]", "日本語", "x" * 400])
def test_names_and_errors_are_shown_as_they_are(name: str) -> None:
    text = text_of([line(name, "running", note=name)], [f"failed: {name}"])
    assert (name if len(name) < 100 else "xxx") in text


class Pipe:
    """Progress that writes to a pipe."""

    def __init__(self, folder: Path, changes: dict[str, Any]) -> None:
        self.driver = Driver(simulated(folder, changes))
        self.file = io.StringIO()
        self.progress = Progress(Console(file=self.file, width=60), self.driver.config)

    def search(self) -> list[str]:
        driver = self.driver
        observer = Observers([self.progress, driver.watcher])
        stage = SearchStage(driver.book, driver.folder, driver.clock, observer, driver.examples)
        with self.progress.stage(lambda: TOTALS):
            drive(driver.config, desk_of(stage))
        return self.file.getvalue().splitlines()


def test_pipe_gets_one_whole_line_an_event(tmp_path: Path) -> None:
    space = {"type": "categorical", "choices": [0, 5]}
    pipe = Pipe(tmp_path, {"study.space.model.freeze_layers": space})
    lines = pipe.search()
    assert len(lines) == len(pipe.driver.watcher.told)
    assert lines[0] == "trial-0000 started: none"
    assert lines[1].startswith("trial-0000 step 2/8: objective ")
    assert "trial-0001 started: cz-snt (sentence)" in lines
    assert [text for text in lines if "stopped at a rung" in text]
    refused = [text for text in lines if "failed: " in text]
    assert refused and all("freeze_layers 5 is more than" in text for text in refused)
    assert not [text for text in lines if "\x1b" in text]


def test_terminal_gets_a_table_that_stays(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path, {"study.trials": 2})
    console = Console(file=pipe.file, width=120, height=40, force_terminal=True)
    pipe.progress = Progress(console, pipe.driver.config)
    text = "\n".join(pipe.search())
    assert "study s: 2 of 10 ended" in text
    assert "trial-0000" in text and "finished" in text
    assert "trial-0000 started" not in text
