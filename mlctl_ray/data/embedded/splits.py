"""Which side of the splits a clause belongs to: a stable hash of its content, never a random draw.

The sides are disjoint in clauses: a premise or hypothesis of one side occurs on no other, so no
sentence of the parallel text is a sentence of the NLI data.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from itertools import accumulate

SHARES: dict[str, float] = {
    "nli/train": 0.40,
    "nli/validation": 0.15,
    "nli/test": 0.15,
    "parallel/train": 0.20,
    "parallel/validation": 0.10,
}
"""Share of the clauses on each side."""

LIMITS: dict[str, int] = {
    "nli/train": 60_000,
    "nli/validation": 6_000,
    "nli/test": 6_000,
    "parallel/train": 40_000,
    "parallel/validation": 10_000,
}
"""Most rows of a side; well below its number of distinct frames, so that drawing stays fast."""

_SIDES = tuple(SHARES)
_BOUNDS = tuple(accumulate(SHARES.values()))[:-1]


def digest(content: str, size: int) -> bytes:
    """Stable hash of `size` bytes, the same in every process and Python version."""
    return blake2b(content.encode("utf-8"), digest_size=size).digest()


def side_of(content: str) -> str:
    """The one side that a clause with this content belongs to."""
    return _SIDES[bisect_right(_BOUNDS, int.from_bytes(digest(content, 6), "big") / 2**48)]
