from __future__ import annotations

import datetime
import math
import os
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mlctl_ray.errors import InputError
from mlctl_ray.objective import gather_rows, label_loss, pair_loss

# Rows of each rank: uneven, and a rank with none.
SHARES = {2: (5, 2), 3: (3, 0, 4)}
ROWS = 7


def batch(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Source and target features (7, 5), labels and source groups (7,), the same on every rank."""
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(2, ROWS, 5, generator=generator, dtype=torch.float64).to(dtype)
    return source, target, torch.arange(ROWS) % 3, torch.tensor([0, 1, 2, 3, 4, 5, 0])


def encoder(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(5, 4).to(dtype)


def objective(source: Tensor, target: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
    pair = pair_loss(source, target, temperature=0.1, offset=math.inf, source_groups=groups)
    label = label_loss(source * target, labels, temperature=0.2, offset=1.0)
    return pair.loss + 0.5 * label.loss


def start(rank: int, world: int, folder: str) -> None:
    if sys.platform.startswith("linux"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=(Path(folder) / "rendezvous").as_uri(),
        rank=rank,
        world_size=world,
        timeout=datetime.timedelta(seconds=120),
    )


def worker(rank: int, world: int, folder: str) -> None:
    start(rank, world, folder)
    results: dict[str, Tensor] = {}
    shares = SHARES[world]
    own = slice(sum(shares[:rank]), sum(shares[: rank + 1]))
    for name, dtype in (("double", torch.float64), ("single", torch.float32)):
        source, target, labels, groups = (part[own] for part in batch(dtype))
        model = DistributedDataParallel(encoder(dtype))
        sides = model(torch.cat([source, target])).split([len(source), len(target)])
        loss = objective(*(gather_rows(part) for part in (*sides, labels, groups)))
        loss.backward()
        results[f"{name}/loss"] = loss.detach()
        results |= {
            f"{name}/{key}": parameter.grad
            for key, parameter in model.module.named_parameters()
            if parameter.grad is not None
        }
    results["rows"] = gather_rows(batch(torch.float32)[0][own])
    results["labels"] = gather_rows(batch(torch.float32)[2][own])

    # A rank whose tensor needs no gradient takes part in the backward pass of the others.
    lone = torch.full((2, 3), float(rank), requires_grad=rank == 0)
    together = gather_rows(lone)
    (together * torch.arange(2 * world)[:, None]).sum().backward()
    results["lone"] = torch.zeros(2, 3) if lone.grad is None else lone.grad

    nothing = gather_rows(torch.zeros(0, 3, requires_grad=True))
    nothing.sum().backward()
    results["nothing"] = nothing.detach()
    with torch.no_grad():
        assert not gather_rows(torch.ones(1, 2, requires_grad=True)).requires_grad
    for wrong in (torch.zeros(1, 2 + rank), torch.tensor(1.0)):
        with pytest.raises(InputError, match="tensor"):
            gather_rows(wrong)
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, 3])
def test_gathered_batch_equals_the_single_large_batch(world: int, tmp_path: Path) -> None:
    mp.spawn(worker, (world, str(tmp_path)), nprocs=world)
    for rank in range(world):
        results = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, dtype, tolerance in (
            ("double", torch.float64, 1e-12),
            ("single", torch.float32, 1e-6),
        ):
            source, target, labels, groups = batch(dtype)
            model = encoder(dtype)
            loss = objective(model(source), model(target), labels, groups)
            loss.backward()
            close = {"rtol": 10 * tolerance, "atol": 10 * tolerance}
            torch.testing.assert_close(results[f"{name}/loss"], loss.detach(), **close)
            for key, parameter in model.named_parameters():
                torch.testing.assert_close(results[f"{name}/{key}"], parameter.grad, **close)
        assert torch.equal(results["rows"], batch(torch.float32)[0])
        assert torch.equal(results["labels"], batch(torch.float32)[2])
        # Every rank back-propagates the same sum, so the owner receives it `world` times.
        expected = torch.tensor([[0.0], [world]]).expand(2, 3) * (rank == 0)
        assert torch.equal(results["lone"], expected)
        assert results["nothing"].shape == (0, 3)


def test_is_the_identity_in_a_single_process() -> None:
    rows = torch.zeros(2, 3, requires_grad=True)
    assert gather_rows(rows) is rows
