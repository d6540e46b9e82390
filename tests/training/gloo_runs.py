"""Training by real data-parallel processes over gloo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from mlctl_ray.config import RunConfig, plain, validate
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.run import evaluation_data
from mlctl_ray.training.trainer import Trainer


def train_over_gloo(config: RunConfig, workers: int, folder: Path) -> list[dict[str, Any]]:
    """Weights, losses and evaluation of each rank after the last step."""
    folder.mkdir(parents=True)
    mp.spawn(_rank, args=(workers, plain(config), str(folder)), nprocs=workers)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(workers)]


def _rank(rank: int, size: int, tree: dict[str, Any], folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size)
    config = validate(RunConfig, tree, "test")
    torch.save(outcome(config, Workers(rank, size)), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


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
