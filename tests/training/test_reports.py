"""Reports outlive the process: kept at every pause, read back after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import run_config

from mlctl_ray.evaluation.keys import DEVICE_HOURS
from mlctl_ray.training.reports import FILE, Report, append_report, read_reports
from mlctl_ray.training.run import run_training


def test_last_report_of_a_step_counts_and_unfinished_lines_do_not(tmp_path: Path) -> None:
    first = Report(4, False, {"a/b": 0.5})
    again = Report(4, False, {"a/b": 0.25})
    append_report(tmp_path, Report(8, True, {"a/b": 1.0}))
    append_report(tmp_path, first)
    append_report(tmp_path, again)
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"step": 12, "fin')
    assert read_reports(tmp_path) == (again, Report(8, True, {"a/b": 1.0}))
    assert read_reports(tmp_path / "nothing") == ()


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
