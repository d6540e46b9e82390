"""Batch plans: exact partitions, a stateless order, and micro-batches under a budget."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.data.batching import BatchPlan, micro_batches, padded_length
from mlctl_ray.errors import InputError

lengths_of = st.lists(st.integers(1, 200), min_size=1, max_size=120).map(np.array)


@st.composite
def plans(draw: st.DrawFn) -> tuple[np.ndarray, int, int, int]:
    lengths = draw(lengths_of)
    batch_size = draw(st.integers(1, len(lengths)))
    return lengths, batch_size, draw(st.integers(0, 2**31)), draw(st.integers(1, 5))


@given(plans(), st.integers(0, 3))
def test_an_epoch_holds_each_row_at_most_once_in_full_batches(
    drawn: tuple[np.ndarray, int, int, int], epoch: int
) -> None:
    lengths, batch_size, seed, pool = drawn
    plan = BatchPlan(lengths, batch_size, seed, pool=pool)
    steps = plan.batches_per_epoch
    assert steps == len(lengths) // batch_size
    batches = [plan.global_batch(epoch * steps + step) for step in range(steps)]
    assert all(batch.shape == (batch_size,) for batch in batches)
    rows = np.concatenate(batches)
    assert len(set(rows.tolist())) == steps * batch_size
    assert rows.min() >= 0 and rows.max() < len(lengths)
    assert all((np.diff(lengths[batch]) >= 0).all() for batch in batches)


@given(plans(), st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_any_step_in_any_order_by_a_new_plan_is_the_same(
    drawn: tuple[np.ndarray, int, int, int], steps: list[int]
) -> None:
    lengths, batch_size, seed, pool = drawn
    used = BatchPlan(lengths, batch_size, seed, pool=pool)
    for step in steps:
        resumed = BatchPlan(lengths, batch_size, seed, pool=pool)
        np.testing.assert_array_equal(used.global_batch(step), resumed.global_batch(step))


@given(plans(), st.integers(0, 50))
def test_the_workers_shares_are_the_global_batch(
    drawn: tuple[np.ndarray, int, int, int], step: int
) -> None:
    lengths, batch_size, seed, pool = drawn
    plan = BatchPlan(lengths, batch_size, seed, pool=pool)
    whole = plan.global_batch(step)
    for world_size in range(1, 5):
        if batch_size % world_size:
            with pytest.raises(InputError, match="divide"):
                plan.local_batch(step, 0, world_size)
            continue
        shares = [plan.local_batch(step, rank, world_size) for rank in range(world_size)]
        assert {len(share) for share in shares} == {batch_size // world_size}
        assert sorted(np.concatenate(shares).tolist()) == sorted(whole.tolist())
        np.testing.assert_array_equal(np.stack(shares, axis=1).ravel(), whole)


def test_epochs_seeds_and_batches_are_in_different_orders() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    plan, other = BatchPlan(lengths, 8, 1, pool=4), BatchPlan(lengths, 8, 2, pool=4)
    first, second = plan.global_batch(0), plan.global_batch(80)
    assert set(first.tolist()) != set(second.tolist())
    assert set(first.tolist()) != set(other.global_batch(0).tolist())
    plan = BatchPlan(lengths, 8, 1, pool=100)
    means = [lengths[plan.global_batch(step)].mean() for step in range(80)]
    assert means != sorted(means)


def test_an_epoch_leaves_out_other_rows_than_the_next() -> None:
    plan = BatchPlan(np.ones(10, dtype=np.int64), 4, 0)
    seen = [
        set(np.concatenate([plan.global_batch(2 * epoch + i) for i in range(2)]).tolist())
        for epoch in range(20)
    ]
    assert set.union(*seen) == set(range(10))
    assert len({frozenset(rows) for rows in seen}) > 1


def test_rows_of_similar_length_share_a_batch() -> None:
    lengths = np.random.default_rng(1).integers(4, 128, 4096)
    plan = BatchPlan(lengths, 32, 0)
    batches = [lengths[plan.global_batch(step)] for step in range(plan.batches_per_epoch)]
    padded = sum(32 * int(batch.max()) for batch in batches)
    assert padded < 1.05 * lengths.sum()
    unsorted = BatchPlan(lengths, 32, 0, pool=1)
    spread = [int(np.ptp(lengths[unsorted.global_batch(step)])) for step in range(128)]
    assert np.mean(spread) > 90


def test_a_returned_batch_can_be_changed_without_harm() -> None:
    plan = BatchPlan(np.ones(8, dtype=np.int64), 4, 0)
    before = plan.global_batch(0).tolist()
    plan.global_batch(0)[:] = -1
    assert plan.global_batch(0).tolist() == before


@pytest.mark.parametrize(("rows", "batch_size"), [(3, 4), (0, 1)])
def test_fewer_rows_than_a_batch_is_wrong_input(rows: int, batch_size: int) -> None:
    with pytest.raises(InputError, match=f"{batch_size} is more than the {rows} rows"):
        BatchPlan(np.ones(rows, dtype=np.int64), batch_size, 0)


def test_wrong_numbers_are_wrong_input() -> None:
    plan = BatchPlan(np.ones(4, dtype=np.int64), 2, 0)
    with pytest.raises(InputError, match="step: -1"):
        plan.global_batch(-1)
    with pytest.raises(InputError, match="worker 2 of 2"):
        plan.local_batch(0, 2, 2)
    with pytest.raises(InputError, match="pool 0"):
        BatchPlan(np.ones(4, dtype=np.int64), 2, 0, pool=0)
    with pytest.raises(InputError, match="token_budget: 0"):
        micro_batches(np.ones(4, dtype=np.int64), 0)


@given(lengths_of, st.integers(1, 2000), st.sampled_from([1, 8, 16]))
def test_micro_batches_keep_the_budget_and_every_row(
    lengths: np.ndarray, budget: int, multiple: int
) -> None:
    cuts = micro_batches(lengths, budget, multiple=multiple)
    assert sorted(np.concatenate(cuts).tolist()) == list(range(len(lengths)))
    assert (np.diff(lengths[np.concatenate(cuts)]) <= 0).all()
    for cut in cuts:
        padded = padded_length(int(lengths[cut].max()), multiple)
        assert len(cut) == 1 or len(cut) * padded <= budget
    for cut, following in pairwise(cuts):
        padded = padded_length(int(lengths[cut].max()), multiple)
        assert (len(cut) + 1) * padded > budget and len(following)


def test_an_empty_batch_has_no_micro_batch() -> None:
    assert micro_batches(np.zeros(0, dtype=np.int64), 64) == []


def test_padded_lengths() -> None:
    found = {length: padded_length(length) for length in (0, 1, 8, 9, 63, 64, 65, 96, 97, 128)}
    assert found == {
        0: 8, 1: 8, 8: 8, 9: 16, 63: 64, 64: 64, 65: 96, 96: 96, 97: 128, 128: 128
    }  # fmt: skip
    assert len({padded_length(length) for length in range(1, 513)}) == 8 + 14
