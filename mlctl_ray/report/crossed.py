"""Mean of a table of seeds and examples when both are random (docs/statistics.md, section 2).

Shapes: S seeds, N examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
POWER = 0.8
_GRID = 400
_SMALLEST_P = 1e-300


@dataclass(frozen=True, slots=True)
class Crossed:
    """A mean and the parts of its variance, each a mean square divided by S N.

    Attributes:
        seed_part: seeds with the residual; 0 with one seed.
        example_part: examples without the residual; with one seed, examples.
        floor: examples with the residual: the variance if seeds did not differ.
    """

    mean: float
    seeds: int
    examples: int
    seed_part: float
    example_part: float
    floor: float

    @property
    def covers_seeds(self) -> bool:
        """Whether the variance holds that of the seeds."""
        return self.seeds > 1

    @property
    def standard_error(self) -> float:
        """Square root of the estimated variance of the mean."""
        return math.sqrt(max(self.seed_part + self.example_part, self.floor))

    def half_width(self, alpha: float) -> float:
        """Half of the 1 - alpha interval (Banerjee 1960): each part times its own squared t."""
        t_seeds, t_examples = self._quantiles(alpha)
        return math.sqrt(
            max(
                t_seeds**2 * self.seed_part + t_examples**2 * self.example_part,
                t_examples**2 * self.floor,
            )
        )

    def interval(self, alpha: float = 1 - LEVEL) -> tuple[float, float]:
        """Lower and upper end, symmetric about the mean."""
        half = self.half_width(alpha)
        return self.mean - half, self.mean + half

    def p_value(self) -> float:
        """Two-sided p of a mean of zero: the alpha at which the interval touches zero."""
        from scipy.optimize import brentq
        from scipy.special import stdtr

        if self.mean == 0:
            return 1.0
        ratio = -abs(self.mean) / self.standard_error if self.standard_error else -math.inf
        degrees = (max(self.seeds - 1, 1), self.examples - 1)
        low, high = sorted(2 * float(stdtr(d, ratio)) for d in degrees)
        # Half of the digits of the bracket is slack for rounding in the two quantiles.
        low, high = max(low / 2, _SMALLEST_P), min(2 * high, 1.0)
        if high <= low or self.half_width(low) <= abs(self.mean):
            return low
        if self.half_width(high) >= abs(self.mean):
            return high

        def gap(log_p: float) -> float:
            return self.half_width(math.exp(log_p)) - abs(self.mean)

        return math.exp(float(brentq(gap, math.log(low), math.log(high), xtol=1e-10)))

    def power(self, effect: float, alpha: float) -> float:
        """Chance that the 1 - alpha interval leaves out zero when the true mean is ``effect``.

        With the variance as estimated, never less than `floor`. The seeds' mean square is drawn
        from its chi-squared distribution; without examples' variance this is the noncentral t.
        """
        from scipy.special import ndtr

        t_seeds, t_examples = self._quantiles(alpha)
        seed_part = max(self.seed_part, self.floor - self.example_part)
        drawn = seed_part * _mean_squares(self.seeds - 1) if self.covers_seeds else np.zeros(1)
        widths = np.sqrt(
            np.maximum(
                t_seeds**2 * drawn + t_examples**2 * self.example_part, t_examples**2 * self.floor
            )
        )
        error = self.standard_error
        return float(np.mean(ndtr((effect - widths) / error) + ndtr((-effect - widths) / error)))

    def detectable(self, alpha: float, power: float = POWER, largest: float = 1.0) -> float | None:
        """Smallest true mean that is found with ``power``; ``None`` if ``largest`` is not."""
        from scipy.optimize import brentq

        if self.standard_error == 0:
            return 0.0
        if self.power(largest, alpha) < power:
            return None
        return float(brentq(lambda d: self.power(d, alpha) - power, 0.0, largest, xtol=1e-7))

    def _quantiles(self, alpha: float) -> tuple[float, float]:
        """Upper alpha / 2 points of t for the seeds and for the examples."""
        from scipy.special import stdtrit

        seeds = -float(stdtrit(self.seeds - 1, alpha / 2)) if self.covers_seeds else 0.0
        return seeds, -float(stdtrit(self.examples - 1, alpha / 2))


def crossed(table: NDArray[np.floating[Any]], *, resolution: float = 0.0) -> Crossed:
    """Two-way analysis of variance of ``table`` (S, N) without replication.

    Model: mean + seed + example + residual, all three random (Searle, Casella & McCulloch 1992).
    ``resolution`` is the least standard error that is believed.

    Raises:
        ValueError: for fewer than two examples.
    """
    values = np.asarray(table, dtype=np.float64)
    seeds, examples = values.shape
    if examples < 2:
        raise ValueError(f"examples: {examples}; a variance needs two or more")
    mean = float(values.mean())
    by_example = values.mean(axis=0)
    cells = seeds * examples
    mean_example = seeds * float(np.sum((by_example - mean) ** 2)) / (examples - 1)
    floor = max(mean_example / cells, resolution**2)
    if seeds == 1:
        return Crossed(mean, seeds, examples, 0.0, floor, floor)
    by_seed = values.mean(axis=1)
    mean_seed = examples * float(np.sum((by_seed - mean) ** 2)) / (seeds - 1)
    residual = values - by_seed[:, None] - by_example + mean
    mean_residual = float(np.sum(residual**2)) / ((seeds - 1) * (examples - 1))
    return Crossed(
        mean=mean,
        seeds=seeds,
        examples=examples,
        seed_part=mean_seed / cells,
        example_part=max(mean_example - mean_residual, 0.0) / cells,
        floor=floor,
    )


def _mean_squares(degrees: int) -> NDArray[np.float64]:
    """Equally likely values of a chi-squared variable over its degrees of freedom."""
    from scipy.special import chdtri

    upper = (np.arange(_GRID) + 0.5) / _GRID
    values: NDArray[np.float64] = chdtri(degrees, upper) / degrees
    return values
