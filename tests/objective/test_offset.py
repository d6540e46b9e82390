from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from mlctl_ray.errors import InputError
from mlctl_ray.objective import offset_nce

unhurried = settings(max_examples=60, deadline=None)
similarity = st.floats(-200.0, 200.0)
finite_offset = st.floats(0.0, 1e6)


def scalar(value: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype)


@unhurried
@given(similarity, similarity)
def test_offset_zero_is_infonce_and_infinity_is_the_decoupled_loss(p: float, n: float) -> None:
    info = offset_nce(scalar(p), scalar(n), 0.0)
    cz = offset_nce(scalar(p), scalar(n), math.inf)
    cross_entropy = functional.cross_entropy(
        torch.stack([scalar(p), scalar(n)])[None], torch.tensor([0])
    )
    torch.testing.assert_close(info, cross_entropy, rtol=1e-12, atol=1e-13)
    assert cz.item() == n - p
    softplus = max(n - p, 0.0) + math.log1p(math.exp(-abs(n - p)))
    assert info.item() == pytest.approx(softplus, rel=1e-14)


@unhurried
@given(similarity, similarity, finite_offset, finite_offset)
def test_decreases_with_the_offset_down_to_its_floor(
    p: float, n: float, b: float, c: float
) -> None:
    b, c = sorted((b, c))
    low, high = (offset_nce(scalar(p), scalar(n), v).item() for v in (c, b))
    assert low <= high
    assert offset_nce(scalar(p), scalar(n), math.inf).item() <= low
    assert low >= -c
    assert high >= -b


@unhurried
@given(similarity, similarity, finite_offset)
def test_gradient_is_the_sigmoid_of_x_plus_offset(p: float, n: float, b: float) -> None:
    positive = scalar(p).requires_grad_()
    offset_nce(positive, scalar(n), b).backward()
    assert positive.grad is not None
    expected = -torch.sigmoid(scalar(n) - scalar(p) + b)
    torch.testing.assert_close(positive.grad, expected, rtol=1e-9, atol=1e-300)


def test_gradient_of_the_decoupled_loss_never_fades() -> None:
    positive = torch.tensor([-100.0, 0.0, 100.0], requires_grad=True)
    offset_nce(positive, torch.zeros(3), math.inf).sum().backward()
    assert positive.grad is not None
    assert positive.grad.tolist() == [-1.0, -1.0, -1.0]


@pytest.mark.parametrize("b", [1e2, 1e4, 1e6, 3e38])
def test_large_finite_offsets_keep_the_digits_of_x_in_float32(b: float) -> None:
    x = torch.linspace(-20.0, 20.0, 101)
    assert torch.equal(offset_nce(-x, torch.zeros(101), b), x)


def test_near_the_floor_float32_agrees_with_float64() -> None:
    x = torch.linspace(-40.0, 10.0, 501, dtype=torch.float64)
    exact = np.logaddexp(x.numpy(), -25.0)
    value = offset_nce(-x.float(), torch.zeros(501), 25.0)
    np.testing.assert_allclose(value.numpy(), exact, rtol=3e-6)


@unhurried
@given(similarity, st.floats(0.01, 20.0))
def test_crosses_zero_where_the_offset_says(p: float, b: float) -> None:
    crossing = math.log(-math.expm1(-b))
    assert offset_nce(scalar(p), scalar(p + crossing), b).item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("b", [-1e-9, -math.inf, math.nan])
def test_offsets_outside_the_range_are_refused(b: float) -> None:
    with pytest.raises(InputError, match="offset") as refused:
        offset_nce(scalar(0.0), scalar(0.0), b)
    assert isinstance(refused.value, ValueError)
