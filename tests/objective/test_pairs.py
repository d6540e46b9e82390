from __future__ import annotations

import math

import loss_reference as reference
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mlctl_ray.errors import InputError
from mlctl_ray.objective import pair_loss

unhurried = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**31 - 1)
temperatures = st.floats(0.02, 2.0)
offsets = st.one_of(st.just(0.0), st.just(math.inf), st.floats(0.0, 30.0))


def pairs(
    seed: int, rows: int, width: int = 6, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, rows, width, generator=generator, dtype=torch.float64)
    return q.to(dtype), k.to(dtype)


@unhurried
@given(
    seeds, st.integers(1, 9), st.integers(1, 12), temperatures, offsets, st.booleans(),
    st.booleans(), st.data(),
)  # fmt: skip
def test_equals_the_definition_written_as_loops(
    seed: int, rows: int, width: int, tau: float, b: float, same_side: bool, both: bool,
    data: st.DataObject,
) -> None:  # fmt: skip
    q, k = pairs(seed, rows, width)
    ids = st.lists(st.integers(0, rows), min_size=rows, max_size=rows)
    groups = (data.draw(ids), data.draw(ids))
    level = pair_loss(
        q,
        k,
        temperature=tau,
        offset=b,
        same_side=same_side,
        both_directions=both,
        source_groups=torch.tensor(groups[0]),
        target_groups=torch.tensor(groups[1]),
    )
    formula = reference.both_directions if both else reference.one_direction
    expected, count = formula(q.numpy(), k.numpy(), tau, b, same_side, groups)
    assert level.loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert level.anchors.item() == count


@unhurried
@given(seeds, st.integers(2, 9), temperatures, st.booleans())
def test_offset_zero_is_cross_entropy_over_the_assembled_logits(
    seed: int, rows: int, tau: float, same_side: bool
) -> None:
    q, k = (functional.normalize(side) for side in pairs(seed, rows))
    logits = q @ k.T / tau
    if same_side:
        own = (q @ q.T / tau).fill_diagonal_(-math.inf)
        logits = torch.cat([logits, own], dim=1)
    expected = functional.cross_entropy(logits, torch.arange(rows))
    level = pair_loss(q, k, temperature=tau, offset=0.0, same_side=same_side, both_directions=False)
    torch.testing.assert_close(level.loss, expected, rtol=1e-11, atol=1e-12)


@unhurried
@given(seeds, st.integers(2, 8), temperatures, st.floats(0.0, 20.0), st.floats(0.0, 20.0))
def test_decreases_with_the_offset(seed: int, rows: int, tau: float, b: float, c: float) -> None:
    q, k = pairs(seed, rows)
    low, high = (
        pair_loss(q, k, temperature=tau, offset=v).loss.item() for v in (max(b, c), min(b, c))
    )
    assert pair_loss(q, k, temperature=tau, offset=math.inf).loss.item() <= low + 1e-12
    assert low <= high + 1e-12
    assert low >= -max(b, c)


@unhurried
@given(seeds, st.integers(2, 8), offsets)
def test_neither_order_nor_length_of_the_rows_matters(seed: int, rows: int, b: float) -> None:
    q, k = pairs(seed, rows)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(rows, generator=generator)
    lengths = torch.logspace(-3, 3, rows, dtype=torch.float64)[:, None]
    plain = pair_loss(q, k, temperature=0.1, offset=b)
    changed = pair_loss((q * lengths)[order], (k / lengths)[order], temperature=0.1, offset=b)
    torch.testing.assert_close(changed.loss, plain.loss, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        changed.negative_similarity, plain.negative_similarity, rtol=1e-10, atol=1e-12
    )


@unhurried
@given(seeds, offsets, st.booleans(), st.booleans())
def test_a_copy_in_the_same_group_is_no_negative(
    seed: int, b: float, by_source: bool, same_side: bool
) -> None:
    q, k = pairs(seed, 5)
    ids = {"source_groups" if by_source else "target_groups": torch.arange(5).repeat(2)}
    twice = pair_loss(
        q.repeat(2, 1), k.repeat(2, 1), temperature=0.2, offset=b, same_side=same_side, **ids
    )
    # Without its copy each anchor has every negative twice: N becomes 2N, and
    # log(exp(-b) P + 2N) = log 2 + log(exp(-(b + log 2)) P + N).
    once = pair_loss(q, k, temperature=0.2, offset=b + math.log(2), same_side=same_side)
    torch.testing.assert_close(twice.loss, once.loss + math.log(2), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(twice.negative_similarity, once.negative_similarity)
    assert twice.anchors.item() == 10


@pytest.mark.parametrize("b", [0.0, 3.0, math.inf])
@pytest.mark.parametrize("same_side", [False, True])
def test_gradient_is_that_of_finite_differences(b: float, same_side: bool) -> None:
    q, k = (side.requires_grad_() for side in pairs(7, 4, 3))
    groups = torch.tensor([0, 0, 1, 2])

    def loss(q: Tensor, k: Tensor) -> Tensor:
        return pair_loss(
            q, k, temperature=0.3, offset=b, same_side=same_side, source_groups=groups
        ).loss

    assert torch.autograd.gradcheck(loss, (q, k))


def test_published_numbers_in_half_precision() -> None:
    # docs/method.md, section 1.4: B = 8, temperature .07, negatives of spread .1, positive .8.
    q, noise = pairs(0, 8, 100)
    q = functional.normalize(q)
    noise = functional.normalize(noise - (noise * q).sum(1, keepdim=True) * q)
    k = 0.8 * q + 0.6 * noise
    exact_cz, _ = reference.one_direction(q.numpy(), k.numpy(), 0.07, math.inf, True)
    exact_info, _ = reference.one_direction(q.numpy(), k.numpy(), 0.07, 0.0, True)
    assert exact_cz == pytest.approx(-8.39, abs=0.7)
    assert math.log(exact_info) == pytest.approx(math.log(2.27e-4), abs=0.8)
    assert torch.log(1 + torch.tensor(exact_cz).half().exp()).item() == 0
    options = {"temperature": 0.07, "both_directions": False}
    cz = pair_loss(q.half(), k.half(), offset=math.inf, **options)
    info = pair_loss(q.half(), k.half(), offset=0.0, **options)
    assert cz.loss.dtype == info.loss.dtype == torch.float32
    assert cz.loss.item() == pytest.approx(exact_cz, rel=1e-3)
    assert info.loss.item() == pytest.approx(exact_info, rel=2e-2)


def test_infonce_of_aligned_half_precision_pairs_keeps_a_gradient() -> None:
    q, noise = pairs(1, 64, 256)
    q = functional.normalize(q).half().requires_grad_()
    k = (q.detach() + 1e-3 * noise.half()).requires_grad_()
    level = pair_loss(q, k, temperature=0.07, offset=0.0)
    level.loss.backward()
    assert level.positive_similarity.item() > 0.99
    assert 0.0 < level.loss.item() < 1e-3
    cosines = q.detach() @ k.detach().T
    naive = functional.cross_entropy(cosines / 0.07, torch.arange(64), reduction="none")
    assert (naive == 0).any()
    scaled = pair_loss(q.detach().double(), k.detach().double(), temperature=0.07, offset=0.0)
    assert level.loss.item() == pytest.approx(scaled.loss.item(), rel=1e-4)


@pytest.mark.parametrize("b", [0.0, 5.0, math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_lowest_temperature_is_finite_and_unmoved_by_autocast(
    b: float, dtype: torch.dtype
) -> None:
    q, k = (side.requires_grad_() for side in pairs(3, 16, 32, dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        level = pair_loss(q, k, temperature=0.005, offset=b)
    level.loss.backward()
    exact = pair_loss(q.detach().double(), k.detach().double(), temperature=0.005, offset=b)
    assert level.loss.dtype == torch.float32
    assert level.loss.item() == pytest.approx(exact.loss.item(), rel=1e-4)
    for side in (q, k):
        assert side.grad is not None
        assert side.grad.isfinite().all()
        assert side.grad.abs().sum() > 0


def test_opposite_extremes_are_finite_at_the_lowest_temperature() -> None:
    axis = torch.eye(4)[:1].repeat(4, 1)
    for q, k in ((axis, -axis), (axis, axis)):
        q = q.clone().requires_grad_()
        level = pair_loss(q, k, temperature=0.005, offset=math.inf)
        level.loss.backward()
        assert level.loss.isfinite()
        assert q.grad is not None
        assert q.grad.isfinite().all()


def test_a_zero_row_takes_part_with_a_finite_gradient() -> None:
    q, k = pairs(5, 4)
    q[0] = 0.0
    q.requires_grad_()
    level = pair_loss(q, k, temperature=0.05, offset=math.inf)
    level.loss.backward()
    assert level.anchors.item() == 4
    assert q.grad is not None
    assert q.grad.abs().max() < 1e3


@pytest.mark.parametrize("b", [0.0, 2.0, math.inf])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_without_negatives_the_loss_is_zero_with_a_graph(b: float, rows: int) -> None:
    q, k = (side.requires_grad_() for side in pairs(11, rows))
    level = pair_loss(
        q, k, temperature=0.07, offset=b, source_groups=torch.zeros(rows, dtype=torch.int64)
    )
    level.loss.backward()
    assert level.anchors.item() == 0
    assert level.loss.item() == 0.0
    assert (level.positive_similarity.item(), level.negative_similarity.item()) == (0.0, 0.0)
    for side in (q, k):
        assert side.grad is not None
        assert torch.equal(side.grad, torch.zeros_like(side))


def test_an_anchor_without_negatives_is_left_out_of_the_mean() -> None:
    q, k = pairs(13, 3)
    # Pair 0 shares its source with pair 1 and its target with pair 2.
    level = pair_loss(
        q,
        k,
        temperature=0.1,
        offset=0.0,
        source_groups=torch.tensor([0, 0, 1]),
        target_groups=torch.tensor([0, 1, 0]),
    )
    rest = pair_loss(q[1:], k[1:], temperature=0.1, offset=0.0)
    assert level.anchors.item() == 2
    for name in ("loss", "positive_similarity", "negative_similarity"):
        torch.testing.assert_close(getattr(level, name), getattr(rest, name))


def test_similarities_are_detached_mean_cosines() -> None:
    q, k = pairs(17, 4)
    level = pair_loss(q.requires_grad_(), k, temperature=0.1, offset=0.0, same_side=False)
    cosines = functional.normalize(q.detach()) @ functional.normalize(k).T
    torch.testing.assert_close(level.positive_similarity, cosines.diagonal().mean())
    off_diagonal = cosines[~torch.eye(4, dtype=torch.bool)]
    torch.testing.assert_close(level.negative_similarity, off_diagonal.mean())
    assert level.loss.requires_grad
    assert not level.positive_similarity.requires_grad
    assert not level.negative_similarity.requires_grad


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"offset": -1.0}, "offset"),
        ({"positives": torch.zeros(3, 5)}, "positives"),
        ({"source_groups": torch.zeros(2, dtype=torch.int64)}, "source_groups"),
        ({"target_groups": torch.zeros(3, 1, dtype=torch.int64)}, "target_groups"),
    ],
)
def test_wrong_input_is_refused(change: dict[str, object], field: str) -> None:
    given = {"positives": torch.ones(3, 4), "temperature": 0.1, "offset": 0.0} | change
    with pytest.raises(InputError, match=field):
        pair_loss(torch.ones(3, 4), **given)  # type: ignore[arg-type]
