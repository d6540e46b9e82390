"""The numbers of a report, as frozen values: what the page shows and report.json holds.

Accuracies, differences, intervals and shares are fractions of 1; published rows are percent, as
printed. ``None`` stands for a number that the study does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["yes", "no", "undecided"]
Kind = Literal["source", "zero_shot", "average"]

ZERO_SHOT = "mean_zero_shot"
"""Name of the row that answers the question: the mean over all zero-shot languages."""


@dataclass(frozen=True, slots=True)
class Sized:
    """An effect size with its 95% interval; the model of `Effect`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Resampled:
    """The crossed percentile bootstrap: too narrow with few seeds, given as a second opinion."""

    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """Do these very models differ on the examples' population? Nothing about other seeds."""

    discordant: tuple[tuple[int, int], ...]
    """For each seed, examples that only the variant and only the baseline has right."""
    exact: float
    mid_p: float
    """p-values combined over seeds."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Accuracy of a variant minus that of the baseline on the same examples and seeds.

    Interval and p are those of the crossed random-effects model of seeds and examples.
    """

    variant: str
    target: str
    """A language, or the name of an average."""
    difference: float
    low: float
    high: float
    p: float
    p_holm: float | None
    """Holm-corrected over the zero-shot languages; ``None`` outside that family."""
    seeds: int
    examples: int
    covers_seeds: bool
    """False with one seed: the interval is for these very models."""
    standard_error: float
    detectable: float | None
    """Smallest difference found four times out of five: at .05, for a zero-shot language at .05
    over their number. ``None`` where no difference is."""
    bootstrap: Resampled
    cohens_h: Sized
    odds_ratio: Sized | None
    """Odds that a discordant example is right with the variant; ``None`` without such examples."""
    mcnemar: McNemar | None
    """``None`` for an average."""


@dataclass(frozen=True, slots=True)
class Score:
    """Mean accuracy over seeds and its standard deviation (``None`` for one seed)."""

    accuracy: float
    deviation: float | None
    seeds: int


@dataclass(frozen=True, slots=True)
class Row:
    """A language or an average: a score for each variant, and the effect of the selected one."""

    target: str
    label: str
    kind: Kind
    unreadable: float | None
    marked: bool
    """The tokenizer cannot read this language (share above the threshold)."""
    scores: tuple[Score | None, ...]
    difference: float | None
    effect: Effect | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The per-language table."""

    split: str
    confirmed: bool
    """True for replicates on test; False for single trials on validation."""
    baseline: str
    selected: str
    variants: tuple[str, ...]
    languages: tuple[Row, ...]
    averages: tuple[Row, ...]
    effects: tuple[Effect, ...]
    """Every variant on every language and average."""
    unreadable_threshold: float
    resamples: int


@dataclass(frozen=True, slots=True)
class PairMatrices:
    """Accuracy by premise language (rows) and hypothesis language (columns)."""

    split: str
    languages: tuple[str, ...]
    baseline: tuple[tuple[float | None, ...], ...]
    selected: tuple[tuple[float | None, ...], ...]
    difference: tuple[tuple[float | None, ...], ...]
    examples: int
    """Aligned examples of a cell and seed."""
    seeds: int
    same_language: float | None
    """Mean difference where premise and hypothesis share a language."""
    mixed: float | None
    """Mean difference where they do not."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One row of the ranking; only a finished trial has a rank."""

    rank: int | None
    number: int
    state: str
    variant: str | None
    objective: float | None
    source: float | None
    mean_zero_shot: float | None
    device_hours: float | None
    parameters: tuple[str | None, ...]
    objectives: tuple[float | None, ...]
    """Values of `Search.objectives`."""
    feasible: bool
    """Whether it meets every constraint of the study."""
    pareto: bool


@dataclass(frozen=True, slots=True)
class Objective:
    """What a study of several objectives searches by."""

    key: str
    direction: Literal["maximize", "minimize"]
    name: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a metric; a trial outside of it is not selected."""

    name: str
    key: str
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One quantity of the budget in its own unit; ``None`` where there is no such number."""

    what: str
    plan: float | None
    spent: float | None
    limit: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a study planned and spent."""

    rows: tuple[BudgetRow, ...]
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """The ranking and what it is ranked by."""

    objective_key: str | None
    best_trial: int | None
    parameters: tuple[str, ...]
    trials: tuple[Trial, ...]
    states: Mapping[str, int]
    device_hours: float | None
    """All trials and replicates together."""
    objectives: tuple[Objective, ...]
    """Empty for a study with one objective."""
    constraints: tuple[Constraint, ...]
    pareto: tuple[int, ...]
    """Numbers of the trials that no other one dominates."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published row of XNLI test accuracy in percent."""

    system: str
    setting: str
    source: str
    accuracy: Mapping[str, float]
    average: float | None
    note: str = ""
    digits: int = 1
    """Digits after the point in the source."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page says first."""

    verdict: Verdict
    headline: str
    effect: Effect | None
    holds: tuple[str, ...]
    """Zero-shot languages with a positive effect after Holm correction."""
    hurts: tuple[str, ...]
    zero_shot_languages: int
    seeds: int
    selection: str
    strict_zero_shot: bool | None
    detectable: str | None
    """What this many seeds and examples could have shown."""
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reproducibility:
    """What another person needs to make the study and the report again."""

    tracking_uri: str
    run_id: str
    started: str | None
    ended: str | None
    command: str
    environment: Mapping[str, str]
    config: str | None
    selected_config: str | None


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report shows."""

    study: str
    state: str
    task: str | None
    source: str | None
    languages: tuple[str, ...]
    answer: Answer
    missing: tuple[str, ...]
    comparison: Comparison | None
    published: tuple[Published, ...]
    pairs: PairMatrices | None
    search: Search
    budget: Budget | None
    reproducibility: Reproducibility
