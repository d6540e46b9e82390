"""A writer that was superseded writes no more."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from faulty_runs import assert_same_outcome, config_of, outcome_of

from mlctl_ray.config import to_yaml
from mlctl_ray.errors import Failure, InputError, StorageFailure
from mlctl_ray.training import checkpoint
from mlctl_ray.training.checkpoint import find_checkpoint
from mlctl_ray.training.fence import Fence, Superseded, claim
from mlctl_ray.training.manifest import read_manifest, write_manifest
from mlctl_ray.training.reports import Report, read_reports
from mlctl_ray.training.requests import Paused
from mlctl_ray.training.run import run_training


def test_the_last_claim_holds(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    claim(folder, "one")
    Fence(folder, "one").check()
    claim(folder, "two.2-b")
    Fence(folder, "two.2-b").check()
    with pytest.raises(Superseded, match=r"attempt one was superseded by two\.2-b"):
        Fence(folder, "one").check()
    Fence(folder).check()
    assert [path.name for path in folder.iterdir()] == ["attempt"]
    assert not issubclass(Superseded, Failure)


@pytest.mark.parametrize("token", ["", "a/b", "..", "a b", "a\n"])
def test_a_token_that_is_no_file_name_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^token: "):
        claim(tmp_path / "run", token)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_this_machine_does_not_see(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match=f"seen from {socket.gethostname()}; .* shares"):
        run_training(config_of(tmp_path / "cache"), tmp_path / "run", token="one")
    assert not (tmp_path / "run").exists()


def test_what_ends_a_run_travels_between_processes() -> None:
    for error in (Paused(3), Superseded("a"), StorageFailure("b")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (type(error), str(error))
    assert pickle.loads(pickle.dumps(Paused(3))).step == 3


@pytest.mark.parametrize("splits", [("validation",), ("validation", "test")])
def test_a_superseded_run_leaves_the_folder_as_it_was(
    splits: tuple[str, ...], tmp_path: Path
) -> None:
    config = config_of(tmp_path / "cache", optimisation__steps=4)
    run_training(config, tmp_path / "whole", splits=splits)  # type: ignore[arg-type]
    folder = tmp_path / "run"
    claim(folder, "one")
    seen: list[Report] = []

    def report(value: Report) -> None:
        seen.append(value)
        claim(folder, "two")

    with pytest.raises(Superseded):
        run_training(config, folder, report=report, token="one")
    assert [value.step for value in seen] == [2]
    assert [value.step for value in read_reports(folder)] == [2]
    found = find_checkpoint(folder / "checkpoint")
    assert found is not None
    assert read_manifest(found).step == 2
    assert not (folder / "predictions").exists()
    assert not list(folder.glob(".*"))
    with pytest.raises(Superseded):
        run_training(config, folder, resume=True, token="one")
    run_training(config, folder, resume=True, token="two", splits=splits)  # type: ignore[arg-type]
    assert_same_outcome(outcome_of(folder), outcome_of(tmp_path / "whole"))


def test_a_claim_during_a_save_keeps_it_from_the_swap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    claim(folder, "one")

    def write_late(place: Path, step: int | None, device_hours: float) -> None:
        write_manifest(place, step, device_hours)
        if step == 4:
            claim(folder, "two")

    monkeypatch.setattr(checkpoint, "write_manifest", write_late)
    with pytest.raises(Superseded):
        run_training(config_of(tmp_path / "cache"), folder, token="one")
    assert read_manifest(folder / "checkpoint").step == 2
    assert not list(folder.glob(".*"))


OLD = """
import sys
from pathlib import Path
from mlctl_ray.config import RunConfig, load_config
from mlctl_ray.training.fence import Superseded
from mlctl_ray.training.run import run_training

def report(value):
    print(value.step, flush=True)
    sys.stdin.readline()

config = load_config(RunConfig, sys.argv[1], [])
try:
    run_training(config, Path(sys.argv[2]), token="old", report=report)
except Superseded as error:
    print(error)
"""


def test_a_process_that_comes_back_after_its_successor_changes_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache", optimisation__steps=4)
    folder = tmp_path / "run"
    claim(folder, "old")
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    with subprocess.Popen(
        [sys.executable, "-c", OLD, str(tmp_path / "run.yaml"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as old:
        assert old.stdin is not None
        assert old.stdout is not None
        assert old.stdout.readline() == "2\n"
        os.kill(old.pid, signal.SIGSTOP)
        claim(folder, "new")
        run_training(config, folder, resume=True, token="new")
        before = contents(folder)
        os.kill(old.pid, signal.SIGCONT)
        out, _ = old.communicate("\n")
    assert "attempt old was superseded by new" in out
    assert old.returncode == 0
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
