"""A study: one search with its space, budget, selection and confirmation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, ValidationError, model_validator

from .base import Frozen, NonNegative, Positive
from .explain import explain
from .loading import validate
from .overrides import apply_overrides
from .run import RunConfig
from .space import Domain
from .variants import BASELINE, VARIANTS
from .yaml_text import plain


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


class ConfirmationConfig(Frozen):
    """The runs that answer the question: trained again with other seeds, evaluated on test."""

    replicates: int = Field(2, ge=0)
    """Seeds of each confirmed configuration; 0 leaves the stage out."""
    variants: tuple[VariantName, ...] = (BASELINE,)
    """Named variants confirmed beside the best trial, with the best trial's other settings."""

    @model_validator(mode="after")
    def _has_the_baseline(self) -> ConfirmationConfig:
        if self.replicates and BASELINE not in self.variants:
            raise ValueError(f"variants must hold {BASELINE!r}, which effects are measured against")
        return self


class StudySection(Frozen):
    """What is searched, for how long, and how the winner is chosen."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Name of the study, of its MLflow experiment and of its report's folder."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of the sampler and, with the trial's number, of each trial."""
    trials: PositiveInt = 8
    """Configurations that are tried."""
    max_hours: Positive | None = None
    """Wall time after which no further trial starts; no limit when not set."""
    space: dict[str, Domain] = Field(min_length=1)
    """Searched fields by dotted name."""
    known: tuple[VariantName, ...] = tuple(VARIANTS)
    """Named variants that are tried first, in this order."""
    startup_trials: PositiveInt = 10
    """Trials before TPE models the results (Optuna's n_startup_trials)."""
    asha: AshaConfig | None = AshaConfig()
    """Early stopping; none lets every trial run to its end."""
    selection: Literal["mean_zero_shot", "source", "retrieval"] = "mean_zero_shot"
    """What selects on validation; `mean_zero_shot` uses target labels, the others do not."""
    concurrency: PositiveInt | None = None
    """Trials at once; as many as the cluster holds when not set."""
    confirmation: ConfirmationConfig = ConfirmationConfig()
    """Replicates on the test split."""
    storage: str = "runs"
    """Folder of trials, checkpoints and the Optuna journal; shared by all nodes."""
    price_per_device_hour: NonNegative = 0.0
    """Price of one worker's device for an hour, for the plan and the report."""
    currency: str = Field("USD", min_length=1, max_length=8)
    """Currency of the price."""


class StudyConfig(RunConfig):
    """The tree of a study: the base configuration of a run and the study's own section."""

    study: StudySection
    """The search."""

    @model_validator(mode="after")
    def _space_fits(self) -> StudyConfig:
        for name, domain in self.study.space.items():
            for condition, values in (domain.when or {}).items():
                self._check_condition(name, condition, values)
            for value in domain.samples():
                self._check_value(name, value)
        return self

    @model_validator(mode="after")
    def _alignment_ends_before_the_first_rung(self) -> StudyConfig:
        asha, every = self.study.asha, self.optimisation.evaluate_every
        if asha is None or every is None:
            return self
        rung, end = asha.grace_evaluations * every, self._longest_alignment()
        if rung <= end < self.optimisation.steps:
            raise ValueError(
                f"study.asha.grace_evaluations: {asha.grace_evaluations} compares trials at step "
                f"{rung}, when some still align (to step {end}) and have not begun the task; "
                f"allowed: {end // every + 1} or more"
            )
        return self

    def _longest_alignment(self) -> int:
        """Last step of the alignment phase over all trials of the space; 0 without one."""
        space, optimisation = self.study.space, self.optimisation
        schedule = space.get("optimisation.schedule")
        schedules = (optimisation.schedule,) if schedule is None else schedule.samples()
        if not any(str(name).startswith("align_") for name in schedules):
            return 0
        fraction = space.get("optimisation.align_fraction")
        fractions = (optimisation.align_fraction,) if fraction is None else fraction.samples()
        return round(max(float(value) for value in fractions) * optimisation.steps)

    @model_validator(mode="after")
    def _selection_can_be_measured(self) -> StudyConfig:
        if self.study.selection == "retrieval" and self.data.retrieval is None:
            raise ValueError("study.selection 'retrieval' needs data.retrieval")
        if self.study.selection == "mean_zero_shot" and not self.data.nli.targets:
            raise ValueError("study.selection 'mean_zero_shot' needs a zero-shot language")
        return self

    def _check_condition(self, name: str, condition: str, values: list[Any]) -> None:
        order = list(self.study.space)
        if condition not in order or order.index(condition) >= order.index(name):
            raise ValueError(
                f"study.space.{name}.when: {condition!r} must be a parameter declared before it"
            )
        parent = self.study.space[condition]
        for value in values:
            if not parent.holds(value):
                raise ValueError(
                    f"study.space.{name}.when.{condition}: {value!r} is not a value of that domain"
                )

    def _check_value(self, name: str, value: Any) -> None:
        # Checks across fields are left to the trial: its other parameters may make them hold.
        tree = apply_overrides(self.run_tree(), {name: value}, what="study.space")
        try:
            RunConfig.model_validate(tree)
        except ValidationError as error:
            parts = name.split(".")
            if any([str(p) for p in e["loc"][: len(parts)]] == parts for e in error.errors()):
                raise ValueError(f"study.space: {explain(RunConfig, error)}") from None

    def run_tree(self) -> dict[str, Any]:
        """The configuration without the study's section, as plain values."""
        tree: dict[str, Any] = plain(self)
        del tree["study"]
        return tree

    def run_config(self, overrides: dict[str, Any] | None = None) -> RunConfig:
        """The configuration of one run: the base with dotted overrides, validated again.

        Raises:
            InputError: a name is not a field, or the values do not go together.
        """
        tree = apply_overrides(self.run_tree(), overrides or {}, what="parameter")
        return validate(RunConfig, tree, "parameters")
