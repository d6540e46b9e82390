from __future__ import annotations

import math

import torch

from mlctl_ray.objective.level import masked_logsumexp, masked_mean


def test_masked_logsumexp_is_finite_where_the_mask_is_empty() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    result = masked_logsumexp(values, mask)
    result.sum().backward()
    assert result.isfinite().all()
    assert math.isclose(result[0].item(), math.log(math.exp(1) + math.exp(3)), rel_tol=1e-6)
    weight = 1 / (1 + math.exp(2))
    expected = torch.tensor([[weight, 0.0, 1 - weight], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(values.grad, expected)


def test_masked_mean_ignores_what_is_not_finite_outside_the_mask() -> None:
    values = torch.tensor([1.0, math.inf, 3.0], requires_grad=True)
    masked_mean(values, torch.tensor([True, False, True])).backward()
    torch.testing.assert_close(values.grad, torch.tensor([0.5, 0.0, 0.5]))
    nothing = masked_mean(values, torch.zeros(3, dtype=torch.bool))
    assert nothing.item() == 0.0
    assert nothing.requires_grad
