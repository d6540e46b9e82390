"""Training by real data-parallel processes over gloo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from mlctl_ray.config import RunConfig, plain, validate
from mlctl_ray.errors import StorageFailure
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training import requests
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.run import evaluation_data, run_training
from mlctl_ray.training.trainer import Trainer

Work = Callable[[RunConfig, Workers, Path], dict[str, Any]]


def train_over_gloo(config: RunConfig, workers: int, folder: Path) -> list[dict[str, Any]]:
    """Weights, losses and evaluation of each rank after the last step."""
    folder.mkdir(parents=True)
    return over_gloo(_outcome, config, workers, folder)


def over_gloo(work: Work, config: RunConfig, workers: int, folder: Path) -> list[dict[str, Any]]:
    """What `work`, a function of a module, returns in each rank."""
    mp.spawn(_rank, args=(work, workers, plain(config), str(folder)), nprocs=workers)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(workers)]


def _rank(rank: int, work: Work, size: int, tree: dict[str, Any], folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size)
    config = validate(RunConfig, tree, "test")
    value = work(config, Workers(rank, size), Path(folder))
    torch.save(value, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def _outcome(config: RunConfig, workers: Workers, folder: Path) -> dict[str, Any]:
    return outcome(config, workers)


def paused_at_every_step(config: RunConfig, workers: Workers, folder: Path) -> dict[str, Any]:
    """An undisturbed run, one that pauses after every step, and one that cannot be saved."""
    run_training(config, folder / "whole", workers=workers)
    requests.SECONDS_BETWEEN_LOOKS = 0.0
    with workers.together():
        if workers.rank == 0:
            (folder / "paused").mkdir()
            requests.request_pause(folder / "paused")
    paused: list[int] = []
    reports: list[tuple[int, dict[str, float]]] = []
    for _ in range(config.optimisation.steps):
        try:
            run_training(
                config,
                folder / "paused",
                workers=workers,
                report=lambda value: reports.append((value.step, dict(value.metrics))),
                resume=True,
            )
        except requests.Paused as pause:
            paused.append(pause.step)
    failure = ""
    try:
        run_training(
            config,
            folder / "blocked",
            workers=workers,
            report=lambda value: (folder / "blocked" / ".checkpoint.partial").touch(),
        )
    except StorageFailure as error:
        failure = str(error)
    return {"paused": paused, "reports": reports, "failure": failure}


def outcome(config: RunConfig, workers: Workers) -> dict[str, Any]:
    """Train to the end and evaluate."""
    from mlctl_ray.evaluation.evaluate import evaluate_model

    data = load_training_data(config.data, config.model.text)
    trainer = Trainer(config, data, workers)
    (progress,) = trainer.run(frozenset())
    evaluation = evaluate_model(
        trainer.model,
        evaluation_data(config, data, "validation"),
        config.evaluation,
        workers=workers,
    )
    assert evaluation.pairs is not None
    columns = ["logp_entailment", "logp_neutral", "logp_contradiction"]
    return {
        "weights": dict(trainer.model.state_dict()),
        "losses": progress.losses,
        "metrics": dict(evaluation.metrics),
        "scores": torch.from_numpy(evaluation.predictions[columns].to_numpy().copy()),
        "pairs": evaluation.pairs["accuracy"].tolist(),
    }
