"""A disk that fills up while a run writes to it: a real one of a few megabytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faulty_runs import config_of

from mlctl_ray.config import to_yaml
from mlctl_ray.errors import StorageFailure
from mlctl_ray.training.reports import FILE, Report, append_report
from mlctl_ray.training.storage import storage

HELPERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

MOUNT = 'mount -t tmpfs -o size=16m tmpfs "$1" && shift && exec "$@"'

RUN = """
import json, os, sys
from pathlib import Path
from faulty_runs import assert_same_outcome, outcome_of
from mlctl_ray.config import RunConfig, load_config
from mlctl_ray.errors import StorageFailure
from mlctl_ray.training.checkpoint import find_checkpoint
from mlctl_ray.training.manifest import read_manifest
from mlctl_ray.training.reports import read_reports
from mlctl_ray.training.run import run_training

config = load_config(RunConfig, sys.argv[1], [])
whole, disk = Path(sys.argv[2]), Path(sys.argv[3])
run_training(config, whole)
folder, ballast = disk / "run", disk / "ballast"

def fill(free):
    space = os.statvfs(disk)
    blocks = space.f_bavail * space.f_frsize // 4096 - free // 4096
    ballast.write_bytes(bytes(4096 * max(0, blocks)))

messages = []
for at, kept, free in [(2, 2, 0), (4, 4, 20000), (6, 6, 120000), (10, 10, 0)]:
    before = read_reports(folder)
    try:
        run_training(
            config, folder, resume=True, report=lambda r: fill(free) if r.step >= at else None
        )
    except StorageFailure as failure:
        messages.append(str(failure))
    found = find_checkpoint(folder / "checkpoint")
    assert found == folder / "checkpoint"
    assert read_manifest(found).step == kept
    assert not list(folder.glob(".*"))
    assert read_reports(folder)[: len(before)] == before
    ballast.unlink()
run_training(config, folder, resume=True)
assert_same_outcome(outcome_of(folder), outcome_of(whole))
print(json.dumps(messages))
"""


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", str(folder), "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_was_saved(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("a file system of its own needs the right to mount one")
    config = config_of(tmp_path / "cache", optimisation__steps=12)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    script = [sys.executable, "-c", RUN, str(tmp_path / "run.yaml"), str(tmp_path / "whole")]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", MOUNT, "sh", str(disk), *script, str(disk)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(HELPERS)},
    )
    assert done.returncode == 0, done.stderr
    messages = json.loads(done.stdout.splitlines()[-1])
    assert len(messages) == 4
    places = [message.split(": ")[0] for message in messages]
    # After the last step it is the predictions that do not fit.
    assert places == [*3 * [f"{disk}/run/.checkpoint.partial"], f"{disk}/run"]
    for message in messages:
        assert "No space left on device (" in message
        assert " bytes free on " in message
        assert "\n" not in message


def test_a_report_that_does_not_fit_is_a_failure_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to("/dev/full")
    with pytest.raises(StorageFailure, match=r"reports\.jsonl: No space left on device \(\d+ byt"):
        append_report(tmp_path, Report(1, False, {}))


def test_other_errors_of_a_write_pass(tmp_path: Path) -> None:
    for error in (ValueError("a (bad) value"), RuntimeError("shapes differ"), OSError("no code")):
        with pytest.raises(type(error)) as found, storage(tmp_path):
            raise error
        assert found.value is error
    with pytest.raises(MemoryError), storage(tmp_path):
        raise MemoryError
    with pytest.raises(OSError, match="Cannot allocate") as lack, storage(tmp_path):
        raise OSError(12, "Cannot allocate memory")
    assert not isinstance(lack.value, StorageFailure)
