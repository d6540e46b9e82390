"""Which rows a step trains on: a pure function of seed, step, rank and world size."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .ragged import IntArray

LENGTH_MULTIPLE = 8
"""Padded lengths are multiples of this (`padded_length`)."""


def padded_length(length: int, multiple: int = LENGTH_MULTIPLE) -> int:
    """The length that rows of up to `length` pieces are padded to.

    Lengths are multiples of `multiple` up to eight of them, then multiples of four of them: with
    8, multiples of 8 to 64 and then of 32. Few lengths mean few shapes to compile.
    """
    step = multiple if length <= 8 * multiple else 4 * multiple
    return max(1, -(-length // step)) * step


class BatchPlan:
    """Batches of rows of similar length in a random order that needs no state.

    Each epoch is a new permutation of the rows. Stretches of `pool` batches are sorted by length
    and cut into batches, which are then shuffled. The rows of an epoch's last, partial batch are
    left out of that epoch. Step t is found from the seed and t alone, so training goes on after
    any step without a saved position.

    Args:
        lengths: (N,) pieces of each row.
        batch_size: rows of an optimiser step over all workers.
        seed: of the order.
        pool: batches sorted together; 1 keeps every batch a uniform draw.

    Raises:
        InputError: fewer rows than `batch_size`.
    """

    def __init__(self, lengths: IntArray, batch_size: int, seed: int, *, pool: int = 64) -> None:
        if batch_size < 1 or pool < 1:
            raise InputError(f"batch_size {batch_size}, pool {pool}: both need at least 1")
        if len(lengths) < batch_size:
            raise InputError(
                f"batch_size: {batch_size} is more than the {len(lengths)} rows of the data; "
                "allowed: at most the number of rows"
            )
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._batch_size = batch_size
        self._seed = seed
        self._pool = pool
        self._epoch = -1
        self._batches = np.zeros((0, batch_size), dtype=np.int64)

    @property
    def batches_per_epoch(self) -> int:
        """Steps in which every row is seen at most once."""
        return len(self._lengths) // self._batch_size

    def global_batch(self, step: int) -> IntArray:
        """(batch_size,) rows of optimiser step `step` (from 0), shortest first."""
        if step < 0:
            raise InputError(f"step: {step} is not allowed; needs 0 or more")
        epoch, index = divmod(step, self.batches_per_epoch)
        if epoch != self._epoch:
            self._batches = self._order(epoch)
            self._epoch = epoch
        batch: IntArray = self._batches[index].copy()
        return batch

    def local_batch(self, step: int, rank: int, world_size: int) -> IntArray:
        """(batch_size / world_size,) rows of one worker: every world_size-th, so that all
        workers have the same mix of lengths. The workers' rows together are the global batch.

        Raises:
            InputError: the batch does not divide over the workers.
        """
        if self._batch_size % world_size or not 0 <= rank < world_size:
            raise InputError(
                f"batch_size {self._batch_size}, worker {rank} of {world_size}: the batch must "
                "divide over the workers"
            )
        return self.global_batch(step)[rank::world_size]

    def _order(self, epoch: int) -> IntArray:
        rng = np.random.default_rng([self._seed, epoch])
        batches = self.batches_per_epoch
        rows = rng.permutation(len(self._lengths))[: batches * self._batch_size]
        pools = np.arange(len(rows)) // (self._pool * self._batch_size)
        # lexsort is stable: rows of one length keep the permutation's order.
        rows = rows[np.lexsort((self._lengths[rows], pools))]
        return rows.reshape(batches, self._batch_size)[rng.permutation(batches)]


def micro_batches(
    lengths: IntArray, token_budget: int, *, multiple: int = LENGTH_MULTIPLE
) -> list[IntArray]:
    """Cut a worker's batch into micro-batches of at most `token_budget` padded pieces.

    Args:
        lengths: (B,) pieces of the batch's rows.
        token_budget: most rows x padded length of a micro-batch; a longer row comes alone.
        multiple: of `padded_length`.

    Returns:
        Positions in the batch, longest rows first, so that the first micro-batch shows whether
        memory suffices. Concatenated they are a permutation of ``arange(B)``.
    """
    if token_budget < 1:
        raise InputError(f"token_budget: {token_budget} is not allowed; needs at least 1")
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    parts: list[IntArray] = []
    begin = 0
    while begin < len(order):
        longest = padded_length(int(lengths[order[begin]]), multiple)
        parts.append(order[begin : begin + max(1, token_budget // longest)])
        begin += len(parts[-1])
    return parts
