from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from gloo_runs import outcome, train_over_gloo
from tiny_runs import run_config

from mlctl_ray.config import RunConfig
from mlctl_ray.evaluation.workers import Workers


def config(cache: Path) -> RunConfig:
    return run_config(
        cache,
        objective__span_corruption={"weight": 0.5},
        optimisation__token_budget=300,
        optimisation__learning_rate=1e-3,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def alone(cache: Path) -> dict[str, Any]:
    return outcome(config(cache), Workers())


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_workers_train_and_evaluate_as_one_worker_does(
    workers: int, cache: Path, alone: dict[str, Any], tmp_path: Path
) -> None:
    ranks = train_over_gloo(config(cache), workers, tmp_path / "ranks")
    for other in ranks[1:]:
        for name, value in ranks[0]["weights"].items():
            assert torch.equal(other["weights"][name], value), name
        assert torch.equal(other["scores"], ranks[0]["scores"])
        assert {**other, "weights": 0, "scores": 0} == {**ranks[0], "weights": 0, "scores": 0}
    for name, value in alone["weights"].items():
        torch.testing.assert_close(ranks[0]["weights"][name], value, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(ranks[0]["scores"], alone["scores"], rtol=1e-4, atol=1e-4)
    assert ranks[0]["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    assert ranks[0]["metrics"] == pytest.approx(alone["metrics"], abs=0.06)
    assert ranks[0]["metrics"].keys() == alone["metrics"].keys()
