"""The parts of a study's section: early stopping, retries, constraints, early end, confirmation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from .base import Frozen, Positive
from .variants import BASELINE, VARIANTS

Selection = Literal["mean_zero_shot", "source", "retrieval"]
Measure = Literal["mean_zero_shot", "source", "retrieval", "device_hours"]
MEASURES: tuple[Measure, ...] = ("mean_zero_shot", "source", "retrieval", "device_hours")
"""What a trial can be judged by: three accuracies on validation, and what it cost."""


def _known_variant(name: str) -> str:
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; allowed: {', '.join(VARIANTS)}")
    return name


VariantName = Annotated[str, AfterValidator(_known_variant)]


class AshaConfig(Frozen):
    """Asynchronous successive halving on the objective (Li et al., 2020)."""

    grace_evaluations: PositiveInt = 1
    """Validations that every trial is given before it can be stopped."""
    reduction_factor: int = Field(3, ge=2)
    """The best 1/reduction_factor of the trials at a rung go on."""


class RetriesConfig(Frozen):
    """How often a trial goes on from its checkpoint after a fault.

    A fault of the configuration itself (non-finite loss, out of memory, values that do not go
    together) is never tried again.
    """

    errors: int = Field(1, ge=0)
    """Times that a trial is tried again after an error in its own process."""
    preemptions: int = Field(5, ge=0)
    """Times that a trial is tried again after its process, worker or machine was lost."""


class Bound(Frozen):
    """A limit that a trial must keep to be chosen."""

    at_least: float | None = Field(None, allow_inf_nan=False)
    """Smallest value allowed."""
    at_most: float | None = Field(None, allow_inf_nan=False)
    """Largest value allowed."""

    @model_validator(mode="after")
    def _bounds(self) -> Bound:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least, at_most or both")
        if None not in (self.at_least, self.at_most) and self.at_least > self.at_most:  # type: ignore[operator]
            raise ValueError(f"at_least {self.at_least} is above at_most {self.at_most}")
        return self


class TerminatorConfig(Frozen):
    """Early end when little is to be gained (Makarova et al., 2022; Optuna's terminator).

    The search ends when the bound on what more trials could gain falls below the standard error
    with which the evaluation examples measure the objective.
    """

    min_trials: PositiveInt = 20
    """Finished trials before the search can end early."""
    standard_errors: Positive = 1.0
    """The possible gain that is too little, in standard errors of the objective."""


class ConfirmationConfig(Frozen):
    """The runs that answer the question: trained again with other seeds, evaluated on test."""

    replicates: int = Field(2, ge=0)
    """Seeds of each confirmed configuration; 0 leaves the stage out."""
    variants: tuple[VariantName, ...] = (BASELINE,)
    """Named variants confirmed beside the best trial, with the best trial's other settings."""
    runner_up: bool = True
    """Confirm the second best trial too."""

    @model_validator(mode="after")
    def _has_the_baseline(self) -> ConfirmationConfig:
        if self.replicates and BASELINE not in self.variants:
            raise ValueError(f"variants must hold {BASELINE!r}, which effects are measured against")
        return self
