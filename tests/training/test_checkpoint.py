from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import run_config

from mlctl_ray.config import RunConfig, to_yaml
from mlctl_ray.errors import InputError
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training import generations
from mlctl_ray.training.checkpoint import find_checkpoint, open_checkpoint
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.manifest import write_manifest
from mlctl_ray.training.run import run_training
from mlctl_ray.training.trainer import Trainer

WALL_CLOCK = ("train/samples_per_second", "cost/device_hours")


def config_of(cache: Path, **more: object) -> RunConfig:
    settings = {
        "model__dropout": 0.2,
        "objective__span_corruption": {"weight": 0.2},
        "optimisation__steps": 8,
        "optimisation__token_budget": 300,
        "optimisation__schedule": "align_then_joint",
        "optimisation__align_fraction": 0.3,
    }
    return run_config(cache, **(settings | more))


def trainer_of(config: RunConfig) -> Trainer:
    return Trainer(config, load_training_data(config.data, config.model.text), Workers())


def assert_same_state(first: object, second: object) -> None:
    """Equal to the bit, through dictionaries and lists."""
    if isinstance(first, torch.Tensor):
        assert isinstance(second, torch.Tensor)
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert isinstance(second, dict)
        assert first.keys() == second.keys()
        for key in first:
            assert_same_state(first[key], second[key])
    elif isinstance(first, list):
        assert isinstance(second, list)
        for left, right in zip(first, second, strict=True):
            assert_same_state(left, right)
    else:
        assert first == second


@pytest.mark.parametrize("at", [1, 4])
def test_resuming_goes_on_to_the_bit(at: int, tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache")
    whole = trainer_of(config)
    expected = list(whole.run(frozenset({at})))[-1]
    first = trainer_of(config)
    next(first.run(frozenset({at})))
    first.save(tmp_path / "checkpoint")
    torch.manual_seed(99)
    second = trainer_of(config)
    second.resume(tmp_path / "checkpoint")
    assert second.step == at
    (progress,) = second.run(frozenset({at}))
    assert (progress.step, progress.losses) == (8, expected.losses)
    assert_same_state(dict(second.model.state_dict()), dict(whole.model.state_dict()))
    assert_same_state(second.optimiser.state_dict(), whole.optimiser.state_dict())
    assert torch.equal(torch.rand(4), torch.rand(4)) is False
    assert whole.optimiser.state_dict()["state"]


def test_a_head_of_its_own_is_resumed_too(tmp_path: Path) -> None:
    from tiny_runs import save_flan_like

    config = config_of(tmp_path / "cache")
    data = load_training_data(config.data, config.model.text)
    save_flan_like(tmp_path / "flan", data.tokenizer)
    config = config_of(tmp_path / "cache", model={"name": str(tmp_path / "flan")})
    whole = trainer_of(config)
    list(whole.run(frozenset()))
    first = trainer_of(config)
    next(first.run(frozenset({4})))
    first.save(tmp_path / "checkpoint")
    second = trainer_of(config)
    second.resume(tmp_path / "checkpoint")
    list(second.run(frozenset()))
    head = second.model.backbone.lm_head.weight
    assert head is not second.model.backbone.shared.weight
    assert_same_state(dict(second.model.state_dict()), dict(whole.model.state_dict()))
    assert_same_state(second.optimiser.state_dict(), whole.optimiser.state_dict())


CHILD = """
import sys
from pathlib import Path
from mlctl_ray.config import RunConfig, load_config
from mlctl_ray.training.run import run_training
run_training(load_config(RunConfig, sys.argv[1], []), Path(sys.argv[2]), resume=True)
"""


def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    config = config_of(
        tmp_path / "cache",
        optimisation__steps=40,
        optimisation__evaluate_every=20,
        optimisation__checkpoint_every=2,
    )
    whole = run_training(config, tmp_path / "whole")
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    folder = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "run.yaml"), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 240
        while find_checkpoint(folder / "checkpoint") is None:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert not (folder / "metrics.json").exists()
    found = run_training(config, folder, resume=True)
    assert {k: v for k, v in found.metrics.items() if k not in WALL_CLOCK} == {
        k: v for k, v in whole.metrics.items() if k not in WALL_CLOCK
    }
    assert_same_state(
        load_file(folder / "checkpoint/backbone/model.safetensors"),
        load_file(tmp_path / "whole/checkpoint/backbone/model.safetensors"),
    )


def test_a_run_killed_after_its_last_checkpoint_is_evaluated_all_the_same(tmp_path: Path) -> None:
    config = config_of(tmp_path / "cache", optimisation__steps=3)
    whole = run_training(config, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    shutil.rmtree(tmp_path / "run" / "predictions")
    again = run_training(config, tmp_path / "run", resume=True)
    assert {k: v for k, v in again.metrics.items() if k not in WALL_CLOCK} == {
        k: v for k, v in whole.metrics.items() if k not in WALL_CLOCK
    }
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == dict(again.metrics)
    assert (tmp_path / "run" / "predictions" / "validation.parquet").is_file()


class Killed(BaseException):
    """Stands for a process that ends here."""


@pytest.mark.parametrize("moment", range(8))
@pytest.mark.parametrize("there", ["both", "newest", "previous"])
def test_a_checkpoint_is_whole_at_every_moment_of_the_swap(
    moment: int, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill the writer before its n-th move or removal; also when a place was left empty."""
    folder = tmp_path / "checkpoint"

    def write(path: Path, content: str) -> None:
        path.mkdir()
        (path / "content").write_text(content)
        write_manifest(path, 1, 0.0)

    if there != "previous":
        write(folder, "before")
    if there != "newest":
        write(tmp_path / "checkpoint.previous", "earlier" if there == "both" else "before")
    write(tmp_path / ".checkpoint.partial", "after")
    left = [moment]

    def killing(function: object) -> object:
        def run(*args: object, **kwargs: object) -> object:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return function(*args, **kwargs)  # type: ignore[operator]

        return run

    monkeypatch.setattr(generations.shutil, "rmtree", killing(shutil.rmtree))
    monkeypatch.setattr(Path, "replace", killing(Path.replace))
    try:
        generations.swap_in(tmp_path / ".checkpoint.partial", folder)
        content = {"after"}
    except Killed:
        content = {"before", "after"}
    found = find_checkpoint(folder)
    assert found is not None
    assert (found / "content").read_text() in content
    if content == {"after"}:
        assert (tmp_path / "checkpoint.previous" / "content").read_text() == "before"


def test_an_incomplete_checkpoint_is_not_found(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "checkpoint") is None
    (tmp_path / "checkpoint").mkdir()
    assert find_checkpoint(tmp_path / "checkpoint") is None
    with pytest.raises(InputError, match="not a complete checkpoint"):
        open_checkpoint(tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunConfig, Trainer]:
    folder = tmp_path_factory.mktemp("saved")
    config = config_of(folder / "cache", optimisation__steps=2)
    trainer = trainer_of(config)
    list(trainer.run(frozenset()))
    trainer.save(folder / "checkpoint")
    return folder, config, trainer


def test_a_checkpoint_opens_as_the_same_model(saved: tuple[Path, RunConfig, Trainer]) -> None:
    folder, config, trainer = saved
    model, tokenizer, read = open_checkpoint(folder / "checkpoint")
    assert read == config
    assert tokenizer.fingerprint == trainer.data.tokenizer.fingerprint
    assert_same_state(dict(model.state_dict()), dict(trainer.model.state_dict()))
    assert not model.training


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("optimisation__learning_rate", 0.5, r"optimisation\.learning_rate: 0\.5 cannot go on"),
        ("seed", 5, r"seed: 5 cannot go on from the checkpoint .* trained with 0"),
        ("scaling__workers", 2, None),
        ("evaluation__pair_matrix_size", 3, None),
    ],
)
def test_only_the_same_run_goes_on(
    field: str,
    value: object,
    message: str | None,
    saved: tuple[Path, RunConfig, Trainer],
) -> None:
    folder, _, _ = saved
    trainer = trainer_of(config_of(folder / "cache", optimisation__steps=2, **{field: value}))
    if message is None:
        trainer.resume(folder / "checkpoint")
        return
    with pytest.raises(InputError, match=message):
        trainer.resume(folder / "checkpoint")


def test_another_number_of_workers_cannot_go_on(saved: tuple[Path, RunConfig, Trainer]) -> None:
    folder, config, trainer = saved
    other = Trainer(config, trainer.data, Workers(0, 2))
    with pytest.raises(InputError, match=r"scaling\.workers: 2 .* of 1 workers"):
        other.resume(folder / "checkpoint")


def test_weights_alone_cannot_go_on(saved: tuple[Path, RunConfig, Trainer], tmp_path: Path) -> None:
    folder, config, trainer = saved
    shutil.copytree(folder / "checkpoint", tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "training.pt").unlink()
    with pytest.raises(InputError, match="weights only"):
        Trainer(config, trainer.data, Workers()).resume(tmp_path / "checkpoint")
