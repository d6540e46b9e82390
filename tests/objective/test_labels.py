from __future__ import annotations

import math

import loss_reference as reference
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlctl_ray.errors import InputError
from mlctl_ray.objective import label_loss

unhurried = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**31 - 1)
temperatures = st.floats(0.02, 2.0)
offsets = st.one_of(st.just(0.0), st.just(math.inf), st.floats(0.0, 30.0))


def rows(seed: int, count: int, width: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64).to(dtype)


@unhurried
@given(seeds, st.lists(st.integers(0, 3), min_size=1, max_size=9), temperatures, offsets)
def test_equals_the_definition_written_as_loops(
    seed: int, labels: list[int], tau: float, b: float
) -> None:
    z = rows(seed, len(labels))
    level = label_loss(z, torch.tensor(labels), temperature=tau, offset=b)
    expected, count = reference.by_label(z.numpy(), labels, tau, b)
    assert level.loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert level.anchors.item() == count


@unhurried
@given(seeds, temperatures)
def test_is_supcon_where_every_anchor_has_one_positive(seed: int, tau: float) -> None:
    z, labels = rows(seed, 6), [0, 1, 2, 2, 1, 0]
    level = label_loss(z, torch.tensor(labels), temperature=tau, offset=0.0)
    expected = reference.supcon_out(z.numpy(), labels, tau)
    assert level.loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-12)


@unhurried
@given(seeds, temperatures)
def test_stays_below_supcon_where_anchors_have_several_positives(seed: int, tau: float) -> None:
    z, labels = rows(seed, 7), [0, 1, 0, 2, 1, 0, 2]
    level = label_loss(z, torch.tensor(labels), temperature=tau, offset=0.0)
    assert level.loss.item() < reference.supcon_out(z.numpy(), labels, tau)


def test_the_floor_is_minus_the_offset_however_many_positives() -> None:
    z, labels = torch.eye(3, dtype=torch.float64).repeat(4, 1), torch.arange(3).repeat(4)
    for b in (0.0, 2.0):
        level = label_loss(z, labels, temperature=0.02, offset=b)
        assert level.loss.item() == pytest.approx(-b, abs=1e-9)
    supcon = reference.supcon_out(z.numpy(), labels.tolist(), 0.02)
    assert supcon == pytest.approx(math.log(3), abs=1e-9)


@unhurried
@given(seeds, offsets)
def test_neither_order_nor_length_of_the_rows_matters(seed: int, b: float) -> None:
    z, labels = rows(seed, 8), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    lengths = torch.logspace(-3, 3, 8, dtype=torch.float64)[:, None]
    plain = label_loss(z, labels, temperature=0.1, offset=b)
    changed = label_loss((z * lengths)[order], labels[order], temperature=0.1, offset=b)
    torch.testing.assert_close(changed.loss, plain.loss, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("b", [0.0, 3.0, math.inf])
def test_gradient_is_that_of_finite_differences(b: float) -> None:
    # Label 3 has a single row: no positive, so it is a negative only.
    labels = torch.tensor([0, 1, 0, 0, 3])

    def loss(z: Tensor) -> Tensor:
        return label_loss(z, labels, temperature=0.3, offset=b).loss

    assert torch.autograd.gradcheck(loss, (rows(5, 5, 3).requires_grad_(),))


@pytest.mark.parametrize("b", [0.0, 2.0, math.inf])
@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_without_positives_or_negatives_the_loss_is_zero_with_a_graph(
    b: float, labels: list[int]
) -> None:
    z = rows(3, len(labels)).requires_grad_()
    level = label_loss(z, torch.tensor(labels, dtype=torch.int64), temperature=0.1, offset=b)
    level.loss.backward()
    assert (level.anchors.item(), level.loss.item()) == (0, 0.0)
    assert (level.positive_similarity.item(), level.negative_similarity.item()) == (0.0, 0.0)
    assert z.grad is not None
    assert torch.equal(z.grad, torch.zeros_like(z))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("b", [0.0, math.inf])
def test_the_lowest_temperature_is_finite_and_unmoved_by_autocast(
    dtype: torch.dtype, b: float
) -> None:
    z = rows(9, 12, 16, dtype).requires_grad_()
    labels = torch.arange(12) % 3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        level = label_loss(z, labels, temperature=0.005, offset=b)
    level.loss.backward()
    exact = label_loss(z.detach().double(), labels, temperature=0.005, offset=b)
    assert level.loss.dtype == torch.float32
    assert level.loss.item() == pytest.approx(exact.loss.item(), rel=1e-4)
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert z.grad.abs().sum() > 0


def test_similarities_are_mean_cosines_of_the_anchors_that_count() -> None:
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)
    level = label_loss(z, torch.tensor([0, 0, 1]), temperature=0.1, offset=0.0)
    assert level.anchors.item() == 2
    assert level.positive_similarity.item() == pytest.approx(0.6)
    assert level.negative_similarity.item() == pytest.approx((0.0 + 0.8) / 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"offset": math.nan}, "offset"),
        ({"labels": torch.zeros(2, dtype=torch.int64)}, "labels"),
    ],
)
def test_wrong_input_is_refused(change: dict[str, object], field: str) -> None:
    given = {"labels": torch.tensor([0, 0, 1]), "temperature": 0.1, "offset": 0.0} | change
    with pytest.raises(InputError, match=field):
        label_loss(torch.ones(3, 4), **given)  # type: ignore[arg-type]
