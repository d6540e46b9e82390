from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import run_config

from mlctl_ray.errors import InputError, TrialFailure
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.reports import Report
from mlctl_ray.training.run import run_training
from mlctl_ray.training.schedule import learning_rate
from mlctl_ray.training.trainer import Trainer


@pytest.mark.parametrize("levels", ["none", "multi+label"])
def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_step(
    levels: str, tmp_path: Path
) -> None:
    config = run_config(
        tmp_path,
        objective__levels=levels,
        optimisation__learning_rate=1e30,
        optimisation__steps=8,
        optimisation__warmup_fraction=0.0,
    )
    trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())
    with pytest.raises(TrialFailure, match=r"at step [2-8]: total=.*learning_rate 1e\+30") as info:
        list(trainer.run(frozenset()))
    assert f"step {trainer.step + 1}:" in str(info.value)
    assert f"levels {levels}" in str(info.value)


def test_pauses_come_where_asked_and_the_rate_follows_the_schedule(tmp_path: Path) -> None:
    config = run_config(tmp_path, optimisation__steps=5)
    trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())
    seen = []
    for progress in trainer.run(frozenset({2, 4})):
        seen.append((progress.step, progress.final))
        rate = trainer.optimiser.param_groups[0]["lr"]
        assert rate == learning_rate(config.optimisation, progress.step - 1)
        assert progress.samples_per_second > 0
    assert seen == [(2, False), (4, False), (5, True)]


def test_losses_are_means_since_the_last_pause(tmp_path: Path) -> None:
    def losses(pauses: frozenset[int]) -> list[float]:
        config = run_config(tmp_path, optimisation__steps=4)
        trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())
        return [progress.losses["total"] for progress in trainer.run(pauses)]

    single = losses(frozenset({1, 2, 3}))
    assert len(set(single)) == 4
    first, second = losses(frozenset({2}))
    assert first == pytest.approx(sum(single[:2]) / 2)
    assert second == pytest.approx(sum(single[2:]) / 2)


def test_batches_larger_than_the_data_are_refused(tmp_path: Path) -> None:
    for field, message in (
        ("optimisation__batch_size", r"optimisation\.batch_size: 90 is more than the 60"),
        ("objective__batch_size", r"objective\.batch_size: 90 is more than the 80"),
    ):
        with pytest.raises(InputError, match=message):
            run_training(run_config(tmp_path, **{field: 90}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_reports_each_validation_and_writes_its_artifacts(tmp_path: Path) -> None:
    config = run_config(
        tmp_path / "cache",
        optimisation__steps=5,
        optimisation__evaluate_every=2,
        objective__span_corruption={"weight": 0.1},
    )
    reports: list[Report] = []
    folder = tmp_path / "run"
    result = run_training(config, folder, splits=("validation", "test"), report=reports.append)
    assert [(r.step, r.final) for r in reports] == [(2, False), (4, False), (5, True)]
    terms = ("total", "task", "sentence", "word", "multi", "label", "denoising")
    for report in reports:
        for name in terms:
            assert report.metrics[f"train/loss/{name}"] == pytest.approx(
                report.metrics[f"train/loss/{name}"]
            )
        for language in ("en", "de", "zh"):
            assert 0 <= report.metrics[f"validation/embedded/{language}/accuracy"] <= 1
    tested = [any(key.startswith("test/") for key in r.metrics) for r in reports]
    assert tested == [False, False, True]
    assert result.metrics == reports[-1].metrics
    written = {str(p.relative_to(folder)) for p in folder.rglob("*.*") if p.is_file()}
    assert {
        "config.yaml",
        "metrics.json",
        "predictions/validation.parquet",
        "predictions/test.parquet",
        "pairs/validation.parquet",
        "pairs/test.parquet",
        "checkpoint/backbone/model.safetensors",
        "checkpoint/backbone/tokenizer.json",
        "checkpoint/heads.safetensors",
        "checkpoint/training.pt",
    } <= written


def test_the_seed_decides_the_run(tmp_path: Path) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        config = run_config(tmp_path, seed=seed, model__dropout=0.1)
        data = load_training_data(config.data, config.model.text)
        trainer = Trainer(config, data, Workers())
        list(trainer.run(frozenset()))
        return list(trainer.model.parameters())

    same = [torch.equal(a, b) for a, b in zip(weights(3), weights(3), strict=True)]
    assert all(same)
    assert not all(torch.equal(a, b) for a, b in zip(weights(3), weights(4), strict=True))
