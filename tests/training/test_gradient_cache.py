from __future__ import annotations

import datetime
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from mlctl_ray.errors import InputError
from mlctl_ray.objective import gather_rows, label_loss, pair_loss
from mlctl_ray.training.gradient_cache import (
    cache_gradients,
    embed_without_gradient,
    replay,
    rng_state,
    surrogate,
)

Micro = Mapping[str, Tensor]
LABELS = torch.arange(8) % 3


class Encoder(nn.Module):
    """Two layers with dropout between them, and a head for a task."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(
            nn.Linear(5, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 4)
        )
        self.head = nn.Linear(5, 1)
        self.double()

    def embed(self, micro: Micro) -> dict[str, Tensor]:
        return {name: self.body(rows) for name, rows in micro.items()}

    def task(self, micro: Micro) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for rows in micro.values():
            total = total + self.head(nn.functional.dropout(rows, 0.2)).square().sum()
        return total


def micro_batches(sizes: Sequence[int]) -> list[Micro]:
    """Pairs for the pair loss and, in all micro-batches but the first, rows for the label loss."""
    generator = torch.Generator().manual_seed(5)
    batches = []
    for number, size in enumerate(sizes):
        names = {"source_sentence": size, "target_sentence": size}
        if number:
            names["pair"] = size + 1
        batches.append(
            {n: torch.randn(c, 5, generator=generator).double() for n, c in names.items()}
        )
    return batches


def contrastive(rows: Mapping[str, Tensor]) -> Tensor:
    pair = pair_loss(
        rows["source_sentence"], rows["target_sentence"], temperature=0.1, offset=math.inf
    )
    label = label_loss(rows["pair"], LABELS[: len(rows["pair"])], temperature=0.2, offset=0.0)
    return pair.loss + 0.3 * label.loss


def large_batch(model: Encoder, micros: Sequence[Micro]) -> Tensor:
    """One graph over everything, embedded micro-batch by micro-batch."""
    parts = [model.embed(micro) for micro in micros]
    names = dict.fromkeys(name for rows in parts for name in rows)
    joined = {n: torch.cat([rows[n] for rows in parts if n in rows]) for n in names}
    loss = contrastive(joined)
    loss.backward()
    return loss.detach()


def cached(model: Encoder, micros: Sequence[Micro], task_weight: float = 0.0) -> Tensor:
    embedded = [embed_without_gradient(model.embed, micro) for micro in micros]
    loss, gradients = cache_gradients([rows for _, rows in embedded], contrastive)
    for micro, (rng, before), gradient in zip(micros, embedded, gradients, strict=True):
        with replay(rng):
            rows = model.embed(micro)
            assert all(torch.equal(rows[name], before[name]) for name in before)
            total = surrogate(rows, gradient)
            if task_weight:
                total = total + task_weight * model.task(micro)
        total.backward()
    return loss


def gradients_of(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("sizes", [(6,), (3, 2, 1), (2, 0, 4)])
def test_equals_the_single_large_batch(dropout: float, sizes: tuple[int, ...]) -> None:
    micros = micro_batches((*sizes, 1))
    whole, split = Encoder(dropout), Encoder(dropout)
    torch.manual_seed(11)
    expected = large_batch(whole, micros)
    torch.manual_seed(11)
    loss = cached(split, micros)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    wanted = gradients_of(whole)
    assert wanted.keys() == gradients_of(split).keys()
    for name, gradient in gradients_of(split).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-10, atol=1e-10)
    assert not loss.requires_grad


def test_another_loss_may_share_the_second_forward_pass() -> None:
    micros = micro_batches((3, 2))
    alone, shared = Encoder(0.4), Encoder(0.4)
    torch.manual_seed(11)
    cached(alone, micros)
    torch.manual_seed(11)
    cached(shared, micros, task_weight=0.5)
    for name, gradient in gradients_of(alone).items():
        torch.testing.assert_close(gradients_of(shared)[name], gradient, rtol=0, atol=1e-12)
    assert alone.head.weight.grad is None
    assert shared.head.weight.grad is not None


def test_the_generator_is_left_where_the_block_leaves_it() -> None:
    torch.manual_seed(0)
    state = rng_state()
    first = torch.rand(3)
    later = torch.rand(3)
    with replay(state):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.rand(3), later)


def test_without_replay_dropout_would_break_the_equality() -> None:
    model, micro = Encoder(0.4), micro_batches((3,))[0]
    _, before = embed_without_gradient(model.embed, micro)
    after = model.embed(micro)
    assert not torch.equal(before["source_sentence"], after["source_sentence"])


def test_phase_one_keeps_no_graph_even_under_autocast() -> None:
    model = nn.Linear(5, 4)
    micro = torch.ones(2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, before = embed_without_gradient(lambda rows: {"rows": model(rows)}, micro)
        after = model(micro)
    assert not before["rows"].requires_grad
    after.float().sum().backward()
    assert model.weight.grad is not None


def test_an_unused_name_has_a_zero_gradient_and_a_parameter_of_the_loss_its_own() -> None:
    scale = nn.Parameter(torch.tensor(2.0))
    embeddings = [
        {"used": torch.ones(2, 3), "unused": torch.ones(1, 3)},
        {"used": torch.ones(1, 3)},
    ]
    loss, (first, second) = cache_gradients(
        embeddings, lambda rows: scale * rows["used"].square().sum()
    )
    assert loss.item() == 18.0
    assert torch.equal(first["used"], torch.full((2, 3), 4.0))
    assert torch.equal(second["used"], torch.full((1, 3), 4.0))
    assert torch.equal(first["unused"], torch.zeros(1, 3))
    assert second.keys() == {"used"}
    assert scale.grad is not None
    assert scale.grad.item() == 9.0


def test_a_loss_without_a_graph_has_zero_gradients() -> None:
    loss, (gradient,) = cache_gradients([{"rows": torch.ones(2, 3)}], lambda _: torch.zeros(()))
    assert loss.item() == 0.0
    assert torch.equal(gradient["rows"], torch.zeros(2, 3))
    assert surrogate({}, {}).item() == 0.0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="loss"):
        cache_gradients([{"rows": torch.ones(2, 3)}], lambda rows: rows["rows"])
    for rows in ({"rows": torch.ones(3, 3)}, {"other": torch.ones(2, 3)}, {}):
        with pytest.raises(InputError, match="embeddings"):
            surrogate(rows, {"rows": torch.ones(2, 3)})


def sharded(rows: Mapping[str, Tensor]) -> Tensor:
    """The contrastive loss over all workers; a name that this one lacks is gathered empty."""
    names = ("source_sentence", "target_sentence", "pair")
    empty = torch.zeros(0, 4, dtype=torch.float64)
    return contrastive({name: gather_rows(rows.get(name, empty)) for name in names})


def worker(rank: int, world: int, folder: str) -> None:
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
    # Rank 0 holds one micro-batch without a row for the label loss, rank 1 the other two.
    micros = [micro_batches((3, 2, 2))[:1], micro_batches((3, 2, 2))[1:]][rank]
    model = Encoder(0.0)
    embedded = [embed_without_gradient(model.embed, micro) for micro in micros]
    loss, gradients = cache_gradients([rows for _, rows in embedded], sharded)
    for micro, (rng, _), gradient in zip(micros, embedded, gradients, strict=True):
        with replay(rng):
            surrogate(model.embed(micro), gradient).backward()
    results = {"loss": loss}
    for name, gradient in gradients_of(model).items():
        dist.all_reduce(gradient)
        results[name] = gradient / world
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_workers_equal_the_single_large_batch(tmp_path: Path) -> None:
    mp.spawn(worker, (2, str(tmp_path)), nprocs=2)
    model = Encoder(0.0)
    expected = large_batch(model, micro_batches((3, 2, 2)))
    for rank in range(2):
        results = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(results.pop("loss"), expected, rtol=1e-12, atol=1e-12)
        assert results.keys() == gradients_of(model).keys()
        for name, gradient in gradients_of(model).items():
            torch.testing.assert_close(results[name], gradient, rtol=1e-10, atol=1e-10)
