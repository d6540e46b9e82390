from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from safetensors.torch import load_file
from tiny_runs import run_config

from mlctl_ray.config import ScalingConfig
from mlctl_ray.errors import InputError, TrialFailure
from mlctl_ray.training.ray_adapter import _check_fit, train_over_workers
from mlctl_ray.training.reports import Report
from mlctl_ray.training.run import run_training


@pytest.fixture(autouse=True)
def no_ray_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    yield
    left = ray.is_initialized()
    ray.shutdown()
    assert not left


@pytest.mark.slow
def test_ray_workers_give_the_plain_loop_s_result_and_failures(tmp_path: Path) -> None:
    settings = {"optimisation__learning_rate": 1e-3, "optimisation__evaluate_every": 2}
    cache = tmp_path / "cache"
    plain = run_training(run_config(cache, **settings), tmp_path / "plain")
    reports: list[Report] = []
    over = train_over_workers(
        run_config(cache, scaling__workers=2, **settings),
        tmp_path / "workers",
        splits=("validation",),
        resume=False,
        address=None,
        report=reports.append,
    )
    assert over.metrics.keys() == plain.metrics.keys()
    for key, value in plain.metrics.items():
        if key.startswith("train/loss/"):
            assert over.metrics[key] == pytest.approx(value, rel=1e-4), key
        elif key.startswith("validation/"):
            assert over.metrics[key] == pytest.approx(value, abs=0.06), key
    assert [(r.step, r.final) for r in reports] == [(2, False), (3, True)]
    assert reports[-1].metrics == over.metrics
    name = "checkpoint/backbone/model.safetensors"
    weights = load_file(tmp_path / "workers" / name)
    for key, expected in load_file(tmp_path / "plain" / name).items():
        torch.testing.assert_close(weights[key], expected, rtol=1e-4, atol=2e-5)


@pytest.mark.slow
def test_a_worker_s_failure_is_raised_as_the_plain_loop_raises_it(tmp_path: Path) -> None:
    config = run_config(
        tmp_path / "cache",
        scaling__workers=2,
        optimisation__learning_rate=1e30,
        optimisation__warmup_fraction=0.0,
    )
    with pytest.raises(TrialFailure, match=r"non-finite loss or gradient at step"):
        train_over_workers(
            config,
            tmp_path / "run",
            splits=("validation",),
            resume=False,
            address=None,
            report=lambda _: None,
        )


def test_workers_that_do_not_fit_are_refused() -> None:
    have = {"CPU": 8.0, "GPU": 1.0}
    _check_fit(ScalingConfig(workers=4, cpus_per_worker=2), have)
    _check_fit(ScalingConfig(workers=1, gpus_per_worker=1), have)
    with pytest.raises(InputError, match=r"scaling\.workers: 3 with 3 CPU each .* 8 CPU"):
        _check_fit(ScalingConfig(workers=3, cpus_per_worker=3), have)
    with pytest.raises(InputError, match=r"scaling\.workers: 2 with 1 GPU each .* 0 GPU"):
        _check_fit(ScalingConfig(workers=2, gpus_per_worker=1), {"CPU": 8.0})
