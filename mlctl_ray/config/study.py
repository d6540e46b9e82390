"""A study: one search with its space, budget, selection and confirmation."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from .base import Frozen, NonNegative, Positive
from .explain import explain
from .loading import validate
from .overrides import apply_overrides
from .run import RunConfig
from .search import (
    MEASURES,
    AshaConfig,
    Bound,
    ConfirmationConfig,
    Measure,
    RetriesConfig,
    Selection,
    TerminatorConfig,
    VariantName,
)
from .space import Domain
from .variants import VARIANTS
from .yaml_text import plain


class StudySection(Frozen):
    """What is searched, for how long, and how the winner is chosen."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Name of the study, of its MLflow experiment and of its report's folder."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of the sampler and, with the trial's number, of each trial."""
    trials: PositiveInt = 8
    """Configurations that are tried."""
    max_hours: Positive | None = None
    """Wall time of the search over all its resumptions; no limit when not set."""
    max_device_hours: Positive | None = None
    """Device-hours of the study, confirmation included; no limit when not set."""
    max_cost: Positive | None = None
    """Money for the study, confirmation included; no limit when not set."""
    space: dict[str, Domain] = Field(min_length=1)
    """Searched fields by dotted name."""
    known: tuple[VariantName, ...] = tuple(VARIANTS)
    """Named variants that are tried first, in this order."""
    startup_trials: PositiveInt = 10
    """Trials before TPE models the results (Optuna's n_startup_trials)."""
    asha: AshaConfig | None = AshaConfig()
    """Early stopping; none lets every trial run to its end."""
    selection: Selection = "mean_zero_shot"
    """What selects on validation; `mean_zero_shot` uses target labels, the others do not."""
    also_optimise: tuple[Measure, ...] = ()
    """Further objectives beside `selection`: accuracies are maximised, `device_hours` minimised."""
    constraints: dict[str, Bound] = Field(default_factory=dict)
    """Limits on validation, by measure (`source`, `device_hours`, ...) or language; a trial that
    breaks one is not chosen."""
    retries: RetriesConfig = RetriesConfig()
    """Faults that a trial survives."""
    terminator: TerminatorConfig | None = None
    """Early end of the search when little is to be gained; never when not set."""
    concurrency: PositiveInt | None = None
    """Trials at once; as many as the cluster holds when not set."""
    confirmation: ConfirmationConfig = ConfirmationConfig()
    """Replicates on the test split."""
    keep_checkpoints: int = Field(1, ge=0)
    """Checkpoints kept of the best trials; others are deleted as they fall behind."""
    storage: str = "runs"
    """Folder of trials, checkpoints and the Optuna journal; shared by all nodes."""
    optuna_storage: str | None = Field(None, pattern=r"^(sqlite|postgresql|mysql)(\+\w+)?://.+")
    """URL of a database for Optuna's study; a journal file in the study's folder when not set."""
    price_per_device_hour: NonNegative = 0.0
    """Price of one worker's device for an hour, for the plan and the report."""
    currency: str = Field("USD", min_length=1, max_length=8)
    """Currency of the price."""

    @field_validator("optuna_storage")
    @classmethod
    def _outlives_its_process(cls, url: str | None) -> str | None:
        if url is not None and ":memory:" in url:
            raise ValueError(f"{url!r} is gone with its process; allowed: sqlite:///FILE")
        return url


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
    def _measures_can_be_measured(self) -> StudyConfig:
        study = self.study
        self._check_measure("study.selection", study.selection)
        for measure in study.also_optimise:
            self._check_measure("study.also_optimise", measure)
        if len({study.selection, *study.also_optimise}) <= len(study.also_optimise):
            raise ValueError("study.also_optimise names an objective twice")
        allowed = {*MEASURES, *self.data.nli.languages}
        for name in study.constraints:
            if name not in allowed:
                raise ValueError(
                    f"study.constraints.{name}: is no measure; allowed: "
                    f"{', '.join(MEASURES)}, or a language: {', '.join(self.data.nli.languages)}"
                )
            self._check_measure("study.constraints", name)
        return self

    def _check_measure(self, field: str, measure: str) -> None:
        if measure == "retrieval" and self.data.retrieval is None:
            raise ValueError(f"{field} 'retrieval' needs data.retrieval")
        if measure == "mean_zero_shot" and not self.data.nli.targets:
            raise ValueError(f"{field} 'mean_zero_shot' needs a zero-shot language")

    @model_validator(mode="after")
    def _several_objectives_have_no_rungs(self) -> StudyConfig:
        study = self.study
        if study.also_optimise and study.asha is not None:
            raise ValueError(
                "study.asha: must be null with study.also_optimise: a trial that is behind by one "
                "objective may be ahead by another"
            )
        if study.also_optimise and study.terminator is not None:
            raise ValueError("study.terminator: must be null with study.also_optimise")
        if study.max_cost is not None and not study.price_per_device_hour:
            raise ValueError("study.max_cost: needs study.price_per_device_hour above 0")
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
