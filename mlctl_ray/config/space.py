"""Domains of a search space, as written in YAML."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import Frozen, Offset

Choice = str | int | float | bool | None


class _Conditional(Frozen):
    when: dict[str, list[Choice]] | None = None
    """Searched only where each named parameter has one of these values."""


class FloatDomain(_Conditional):
    """A real number, uniform or log-uniform; `or_infinity` adds infinity as a value of its own."""

    type: Literal["float", "log_float"]
    """Uniform, or uniform in the logarithm."""
    low: float = Field(allow_inf_nan=False)
    """Smallest value."""
    high: float = Field(allow_inf_nan=False)
    """Largest finite value."""
    or_infinity: bool = False
    """Infinity is a value too, beside the finite ones (for offsets: CZ-NCE itself)."""

    @model_validator(mode="after")
    def _ordered(self) -> FloatDomain:
        if self.low >= self.high or (self.type == "log_float" and self.low <= 0):
            raise ValueError(
                f"needs low < high (above 0 for log_float), not {self.low}, {self.high}"
            )
        return self

    def samples(self) -> list[Any]:
        """Values that stand for all of the domain: its ends, one between them, infinity."""
        between = self.low + 0.382 * (self.high - self.low)
        return [self.low, self.high, between, *([math.inf] if self.or_infinity else [])]

    def holds(self, value: Any) -> bool:
        """Whether a value is in the domain."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (self.or_infinity and value == math.inf) or self.low <= value <= self.high


class IntDomain(_Conditional):
    """A whole number between `low` and `high`, both included."""

    type: Literal["int"]
    """Whole number."""
    low: int
    """Smallest value."""
    high: int
    """Largest value."""
    log: bool = False
    """Uniform in the logarithm."""

    @model_validator(mode="after")
    def _ordered(self) -> IntDomain:
        if self.low >= self.high or (self.log and self.low < 1):
            raise ValueError(f"needs low < high (at least 1 for log), not {self.low}, {self.high}")
        return self

    def samples(self) -> list[Any]:
        """Values that stand for all of the domain: its ends."""
        return [self.low, self.high]

    def holds(self, value: Any) -> bool:
        """Whether a value is in the domain."""
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and (self.low <= value <= self.high)
        )


class CategoricalDomain(_Conditional):
    """One of several values."""

    type: Literal["categorical"]
    """Choice."""
    choices: list[Choice] = Field(min_length=1)
    """The values."""

    def samples(self) -> list[Any]:
        """Values that stand for all of the domain: every choice."""
        return list(self.choices)

    def holds(self, value: Any) -> bool:
        """Whether a value is in the domain."""
        return any(value == choice and type(value) is type(choice) for choice in self.choices)


class ConstantDomain(_Conditional):
    """A fixed value, where the study departs from the file's own sections."""

    type: Literal["constant"]
    """Fixed value."""
    value: Choice | Offset
    """The value."""

    def samples(self) -> list[Any]:
        """Values that stand for all of the domain: its value."""
        return [self.value]

    def holds(self, value: Any) -> bool:
        """Whether a value is in the domain."""
        return bool(value == self.value)


Domain = Annotated[
    FloatDomain | IntDomain | CategoricalDomain | ConstantDomain, Field(discriminator="type")
]
