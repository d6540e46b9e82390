"""Reports outlive the process: kept at every pause, read back after a kill."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import run_config

from mlctl_ray.errors import StorageFailure
from mlctl_ray.evaluation.keys import DEVICE_HOURS
from mlctl_ray.training.reports import FILE, Report, append_report, read_lines, read_reports
from mlctl_ray.training.run import run_training


def test_first_report_of_a_step_counts_and_unfinished_lines_do_not(tmp_path: Path) -> None:
    first = Report(4, False, {"a/b": 0.5})
    last = Report(8, True, {"a/b": 1.0})
    append_report(tmp_path, last)
    append_report(tmp_path, first)
    append_report(tmp_path, Report(4, False, {"a/b": 0.25}))
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"step": 12, "fin')
    assert read_reports(tmp_path) == (first, last)
    assert [report.metrics["a/b"] for report in read_lines(tmp_path)] == [1.0, 0.5, 0.25]
    assert read_reports(tmp_path / "nothing") == ()


def test_a_metric_that_only_the_later_report_has_is_added(tmp_path: Path) -> None:
    first = Report(4, True, {"validation/a": 0.5})
    append_report(tmp_path, first)
    append_report(tmp_path, Report(4, True, {"validation/a": 0.25, "test/a": 0.75}))
    metrics = {"validation/a": 0.5, "test/a": 0.75}
    assert read_reports(tmp_path) == (Report(4, True, metrics, first.time),)


def test_a_report_knows_when_it_was_made(tmp_path: Path) -> None:
    before = time.time()
    report = Report(1, False, {})
    assert before <= report.time <= time.time()
    append_report(tmp_path, report)
    assert read_reports(tmp_path) == (report,)


@given(cut=st.integers(0, 400), junk=st.binary(max_size=8))
def test_a_report_after_a_torn_line_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("run")
    for step in (1, 2, 3):
        append_report(folder, Report(step, False, {"a/b": step / 7}))
    file = folder / FILE
    content = file.read_bytes()[:cut]
    file.write_bytes(content + junk.replace(b"\n", b""))
    whole = content.count(b"\n")
    last = Report(9, True, {"a/b": 1.0})
    append_report(folder, last)
    found = read_reports(folder)
    assert found[-1] == last
    assert [report.step for report in found[:whole]] == [1, 2, 3][:whole]
    assert len(found) <= whole + 2


@pytest.mark.parametrize("line", ["[]", "3", '{"step": 1}', '{"step": 1, "final": true}'])
def test_lines_that_are_no_report_are_passed_over(line: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    assert read_reports(tmp_path) == ()


def test_a_folder_that_is_gone_is_a_failure_of_the_storage(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match=r"gone/reports\.jsonl: No such file .* bytes free"):
        append_report(tmp_path / "gone", Report(1, False, {}))


def test_a_resumed_run_counts_all_its_device_hours(tmp_path: Path) -> None:
    config = run_config(tmp_path / "cache", optimisation__evaluate_every=1)
    folder = tmp_path / "run"
    seen: list[Report] = []

    class Killed(Exception):
        """Stands for the end of the process."""

    def kill_after_two(report: Report) -> None:
        seen.append(report)
        if len(seen) == 2:
            raise Killed

    with pytest.raises(Killed):
        run_training(config, folder, report=kill_after_two)
    before = read_reports(folder)[-1].metrics[DEVICE_HOURS]
    run_training(config, folder, report=seen.append, resume=True)
    reports = read_reports(folder)
    assert [report.step for report in reports] == [1, 2, 3]
    assert reports[-1].metrics[DEVICE_HOURS] > before
    assert [report.step for report in seen] == [1, 2, 3]
    assert json.loads((folder / "metrics.json").read_text()) == dict(reports[-1].metrics)


def test_a_report_whose_checkpoint_was_not_written_is_not_lost(tmp_path: Path) -> None:
    """Killed before the first checkpoint: the run begins anew and its report stays the first."""
    config = run_config(tmp_path / "cache", optimisation__evaluate_every=1)
    folder = tmp_path / "run"
    early = Report(1, False, {DEVICE_HOURS: 5.0, "note": 1.0})
    run_training(config, folder)
    for name in ("checkpoint", "checkpoint.previous"):
        (folder / name).rename(tmp_path / name)
    (folder / FILE).unlink()
    append_report(folder, early)
    run_training(config, folder, resume=True)
    reports = read_reports(folder)
    assert reports[0].time == early.time
    assert reports[0].metrics["note"] == 1.0
    assert reports[0].metrics[DEVICE_HOURS] == 5.0
    assert reports[-1].metrics[DEVICE_HOURS] > 5.0


def test_reports_of_another_configuration_are_not_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run_training(run_config(tmp_path / "cache"), folder)
    for name in ("checkpoint",):
        (folder / name).rename(tmp_path / name)
    append_report(folder, Report(1, False, {"note": 1.0, DEVICE_HOURS: 5.0}))
    run_training(run_config(tmp_path / "cache", seed=4), folder, resume=True)
    (report,) = read_reports(folder)
    assert report.metrics[DEVICE_HOURS] < 5.0
