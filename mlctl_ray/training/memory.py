"""Lack of memory as the configuration's own failure."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

import torch

from ..errors import TrialFailure

T = TypeVar("T")

_SIGNS = (
    "can't allocate memory",  # torch's CPU allocator on Linux
    "not enough memory",  # and elsewhere
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the GPU or of the machine, was refused."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def within_memory(work: Callable[[], T], *, where: str, cure: str) -> T:
    """The value of `work`.

    Args:
        where: when it is done, such as ``at step 7``.
        cure: the fields that a user can lower.

    Raises:
        TrialFailure: there was not enough memory.
    """
    try:
        return work()
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    # Raised outside of the handler, as the error's frames would keep the memory.
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    raise TrialFailure(f"out of memory {where}: {reason}; lower {cure}")
