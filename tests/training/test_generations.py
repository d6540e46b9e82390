"""Two generations of a checkpoint: a kill or a damaged file leaves a whole one."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from faulty_runs import WEIGHTS, assert_same_outcome, config_of, flip_bit, outcome_of
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from mlctl_ray.config import RunConfig, to_yaml
from mlctl_ray.errors import InputError
from mlctl_ray.evaluation.keys import DEVICE_HOURS
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.checkpoint import (
    find_checkpoint,
    open_checkpoint,
    remove_checkpoints,
    strip_loop_state,
)
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.generations import previous_of
from mlctl_ray.training.manifest import FILE, put_manifest, read_manifest
from mlctl_ray.training.reports import Report, read_reports
from mlctl_ray.training.run import run_training
from mlctl_ray.training.trainer import Trainer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("pair")
    config = config_of(folder / "cache", optimisation__steps=2, optimisation__evaluate_every=1)
    run_training(config, folder / "run")
    return folder / "run"


@pytest.fixture
def run(pair: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(pair, tmp_path / "run")
    return tmp_path / "run"


def files_of(checkpoint: Path) -> list[str]:
    return [*read_manifest(checkpoint).files, FILE]


def test_the_newest_and_the_one_before_are_kept(pair: Path) -> None:
    newest, before = pair / "checkpoint", pair / "checkpoint.previous"
    assert [read_manifest(folder).step for folder in (newest, before)] == [2, 1]
    assert find_checkpoint(newest) == newest
    assert find_checkpoint(before) == before
    assert set(files_of(newest)) >= {WEIGHTS, "heads.safetensors", "training.pt", "rng-0.pt"}
    assert not list(pair.glob(".*"))


@pytest.mark.parametrize("damage", ["missing", "truncated", "longer", "bit"])
def test_any_damaged_file_leads_to_the_generation_before(
    damage: str, pair: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate(files_of(pair / "checkpoint")):
        folder = tmp_path / str(number)
        shutil.copytree(pair, folder)
        file = folder / "checkpoint" / name
        if damage == "missing":
            file.unlink()
        elif damage == "bit":
            flip_bit(file, file.stat().st_size // 2)
        else:
            content = file.read_bytes()
            file.write_bytes(content[:-1] if damage == "truncated" else content + b"\0")
        caplog.clear()
        found = find_checkpoint(folder / "checkpoint")
        assert found == folder / "checkpoint.previous", name
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert f"{name}: " in record.getMessage()
        (found / name).unlink()
        assert find_checkpoint(folder / "checkpoint") is None
        with pytest.raises(InputError, match="not a complete checkpoint"):
            open_checkpoint(folder / "checkpoint")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_flipped_bit_goes_unnoticed(pair: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(files_of(pair / "checkpoint")))
    file = pair / "checkpoint" / name
    at = data.draw(st.integers(0, file.stat().st_size - 1))
    bit = data.draw(st.integers(0, 7))
    flip_bit(file, at, bit)
    try:
        assert find_checkpoint(pair / "checkpoint") == pair / "checkpoint.previous"
    finally:
        flip_bit(file, at, bit)
    assert find_checkpoint(pair / "checkpoint") == pair / "checkpoint"


class Killed(BaseException):
    """Stands for a process that ends here."""


def kill_at(step: int) -> object:
    def report(value: Report) -> None:
        if value.step == step:
            raise Killed

    return report


def test_a_run_goes_on_from_the_older_step_to_the_bit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path / "cache", optimisation__checkpoint_every=1)
    run_training(config, tmp_path / "whole")
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        run_training(config, folder, report=kill_at(4))  # type: ignore[arg-type]
    manifest = read_manifest(folder / "checkpoint")
    assert manifest.device_hours > read_reports(folder)[-1].metrics[DEVICE_HOURS]
    recorded = 100.0
    put_manifest(folder / "checkpoint", replace(manifest, device_hours=recorded))
    published = read_reports(folder)
    flip_bit(folder / "checkpoint" / WEIGHTS, 999)
    delivered: list[Report] = []
    began = time.perf_counter()
    run_training(config, folder, report=delivered.append, resume=True)
    wall = (time.perf_counter() - began) / 3600
    assert len([r for r in caplog.records if "passed over" in r.getMessage()]) == 1
    assert_same_outcome(outcome_of(folder), outcome_of(tmp_path / "whole"))
    assert read_reports(folder)[:2] == published
    # Step 4 was run again, and says what it said when it was published.
    assert tuple(delivered) == read_reports(folder)[1:]
    # The lost part counts, once.
    assert recorded < delivered[-1].metrics[DEVICE_HOURS] < recorded + wall


def test_a_damaged_newest_does_not_displace_the_whole_one(run: Path) -> None:
    """The save after a fallback keeps the generation that the run went on from."""
    config = open_checkpoint(run / "checkpoint")[2]
    flip_bit(run / "checkpoint" / WEIGHTS, 99)
    (run / "metrics.json").unlink()
    run_training(config, run, resume=True)
    assert [
        read_manifest(folder).step for folder in (run / "checkpoint", run / "checkpoint.previous")
    ] == [2, 1]
    assert find_checkpoint(run / "checkpoint") == run / "checkpoint"


def test_stripping_leaves_what_evaluation_needs(run: Path) -> None:
    expected = open_checkpoint(run / "checkpoint")[0].state_dict()
    strip_loop_state(run / "checkpoint")
    strip_loop_state(run / "checkpoint")
    assert find_checkpoint(run / "checkpoint") == run / "checkpoint"
    assert not previous_of(run / "checkpoint").exists()
    model, _, config = open_checkpoint(run / "checkpoint")
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name])
    left = {path.name for path in (run / "checkpoint").iterdir()}
    assert left == {"backbone", "heads.safetensors", "config.yaml", "manifest.json"}
    with pytest.raises(InputError, match="weights only"):
        run_training(config, run, resume=True)


def test_a_damaged_checkpoint_is_not_stripped(run: Path) -> None:
    flip_bit(run / "checkpoint" / WEIGHTS, 99)
    strip_loop_state(run / "checkpoint")
    assert find_checkpoint(run / "checkpoint") == run / "checkpoint.previous"
    assert (run / "checkpoint" / "training.pt").is_file()


def test_removing_leaves_nothing(run: Path) -> None:
    (run / ".checkpoint.partial-one" / "backbone").mkdir(parents=True)
    (run / ".checkpoint.old").mkdir()
    remove_checkpoints(run / "checkpoint")
    assert {path.name for path in run.iterdir()} == {
        "config.yaml",
        "metrics.json",
        "pairs",
        "predictions",
        "reports.jsonl",
    }
    remove_checkpoints(run / "checkpoint")


def test_a_run_that_begins_anew_forgets_the_earlier_one(run: Path) -> None:
    config = open_checkpoint(run / "checkpoint")[2]
    seen: list[Report] = []

    def report(value: Report) -> None:
        seen.append(value)
        assert not (run / "metrics.json").exists()
        assert not (run / "predictions").exists()
        assert not previous_of(run / "checkpoint").exists()
        raise Killed

    with pytest.raises(Killed):
        run_training(config, run, report=report)
    assert read_reports(run) == tuple(seen)


SAVER = """
import os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from mlctl_ray.config import RunConfig, load_config
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.checkpoint import find_checkpoint
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.generations import drop_damaged, remove_leftovers
from mlctl_ray.training.manifest import read_manifest
from mlctl_ray.training.trainer import Trainer

config = load_config(RunConfig, sys.argv[1], [])
folder = Path(sys.argv[2])
trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())

def save():
    trainer.step += 1
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.fill_(trainer.step)
    trainer.save(folder, device_hours=trainer.step)

save()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        found = find_checkpoint(folder)
        trainer.step = read_manifest(found).step
        drop_damaged(folder, found)
        remove_leftovers(folder)
        while True:
            save()
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.mark.slow
def test_a_whole_checkpoint_is_there_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache")
    load_training_data(config.data, config.model.text)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    folder = tmp_path / "checkpoint"
    chance = random.Random(0)
    steps = [1]
    with subprocess.Popen(
        [sys.executable, "-c", SAVER, str(tmp_path / "run.yaml"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for _ in range(20):
            print("go", file=parent.stdin, flush=True)
            writer = int(parent.stdout.readline())
            time.sleep(chance.uniform(0.02, 0.3))
            os.kill(writer, signal.SIGKILL)
            assert parent.stdout.readline() == "ended\n"
            steps.append(step_of(find_checkpoint(folder), config))
        parent.stdin.close()
    assert parent.returncode == 0
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]


def step_of(checkpoint: Path | None, config: RunConfig) -> int:
    """The step of a checkpoint, the same in all of its parts."""
    assert checkpoint is not None
    step = read_manifest(checkpoint).step
    assert isinstance(step, int)
    weights = load_file(checkpoint / WEIGHTS) | load_file(checkpoint / "heads.safetensors")
    assert {float(value) for tensor in weights.values() for value in tensor.flatten()} == {step}
    trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())
    trainer.resume(checkpoint)
    assert trainer.step == step
    return step
