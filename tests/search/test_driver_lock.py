"""One driver a study: a second one is refused, and a killed one leaves no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlctl_ray.errors import InputError
from mlctl_ray.search.folder import StudyFolder, check_free, only_driver

HOLD = """
import sys, time
from pathlib import Path
from mlctl_ray.search.folder import StudyFolder, only_driver
with only_driver(StudyFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


def test_second_driver_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "tiny")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.root)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(InputError) as caught, only_driver(folder):
                pass
            line = str(caught.value)
            assert line.startswith("study.name: a driver is at work on 'tiny'")
            assert f"process {holder.pid} on " in line and "\n" not in line
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    with only_driver(folder):
        assert str(os.getpid()) in (folder.root / "driver.lock").read_text(encoding="utf-8")


def test_lock_is_given_back_at_the_end_and_after_an_error(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "tiny")
    with pytest.raises(KeyError), only_driver(folder):
        raise KeyError
    with only_driver(folder), pytest.raises(InputError), only_driver(folder):
        pass
    with only_driver(folder):
        pass


def test_studies_do_not_hold_each_other(tmp_path: Path) -> None:
    with only_driver(StudyFolder(tmp_path / "a")), only_driver(StudyFolder(tmp_path / "b")):
        for name in ("a", "b"):
            with pytest.raises(InputError, match=f"at work on '{name}'"):
                check_free(StudyFolder(tmp_path / name))
    for name in ("a", "b"):
        check_free(StudyFolder(tmp_path / name))


def test_unreadable_lock_file_is_no_obstacle_to_the_refusal(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "tiny")
    with only_driver(folder):
        (folder.root / "driver.lock").write_text("", encoding="utf-8")
        with pytest.raises(InputError, match=r"at work on 'tiny'; wait"), only_driver(folder):
            pass
