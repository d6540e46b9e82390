"""Small runs with dropout, and what two of them have in common to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from tiny_runs import run_config

from mlctl_ray.config import RunConfig
from mlctl_ray.evaluation.keys import DEVICE_HOURS, SAMPLES_PER_SECOND
from mlctl_ray.training.reports import read_reports

WEIGHTS = "backbone/model.safetensors"


def config_of(cache: Path, **more: object) -> RunConfig:
    """Dropout, gradient caching and all kinds of batches in a few steps."""
    settings = {
        "model__dropout": 0.2,
        "objective__span_corruption": {"weight": 0.2},
        "optimisation__steps": 6,
        "optimisation__token_budget": 300,
        "optimisation__evaluate_every": 2,
    }
    return run_config(cache, **(settings | more))


def without_clock(metrics: Mapping[str, float]) -> dict[str, float]:
    """What does not depend on the wall clock."""
    clock = (DEVICE_HOURS, SAMPLES_PER_SECOND)
    return {key: value for key, value in metrics.items() if key not in clock}


def outcome_of(folder: Path) -> dict[str, object]:
    """Reports of a finished run by step, and its weights."""
    reports = {
        f"{r.step} {r.final}": sorted(without_clock(r.metrics).items())
        for r in read_reports(folder)
    }
    return {"reports": reports, "weights": load_file(folder / "checkpoint" / WEIGHTS)}


def assert_same_outcome(first: dict[str, object], second: dict[str, object]) -> None:
    """Equal to the bit."""
    assert first["reports"] == second["reports"]
    left, right = first["weights"], second["weights"]
    assert isinstance(left, dict)
    assert isinstance(right, dict)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def flip_bit(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)
