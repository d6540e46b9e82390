"""The place of this process among data-parallel workers, and the collectives that need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Workers:
    """Rank of this process, number of workers, and the device it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def gather_objects(self, value: Any) -> list[Any]:
        """Every worker's value, by rank, on every worker."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over workers, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def broadcast_(self, tensor: Tensor) -> None:
        """Replace a tensor by rank 0's, in place."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that no worker leaves before all have ended it.

        What is raised in one worker is raised in all, so that none waits for one that failed. The
        block itself must not wait for other workers.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        failures = [value for value in self.gather_objects(failure) if value is not None]
        if failure is not None:
            raise failure
        if failures:
            raise failures[0]
