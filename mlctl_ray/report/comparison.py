"""The per-language table: scores of every variant and paired effects against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .effects import effects_of
from .languages import language_label
from .paired import paired
from .predictions import ScoredRun
from .statistics import RESAMPLES
from .values import ZERO_SHOT, Comparison, Effect, Kind, Row, Score

Runs = Mapping[str, Sequence[ScoredRun]]


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of a study and which of them the tokenizer can read."""

    source: str | None
    all: tuple[str, ...]
    unreadable: Mapping[str, float]
    threshold: float

    def marked(self, language: str) -> bool:
        """Whether the share of unreadable characters is above the threshold."""
        return self.unreadable.get(language, 0.0) > self.threshold

    @property
    def zero_shot(self) -> tuple[str, ...]:
        """Every language but the source."""
        return tuple(name for name in self.all if name != self.source)

    @property
    def averages(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Name -> (label, members); an average that repeats another one is left out."""
        readable = tuple(name for name in self.zero_shot if not self.marked(name))
        groups = {
            "mean": ("Mean of all languages", self.all),
            ZERO_SHOT: ("Mean of zero-shot languages", self.zero_shot),
            "mean_zero_shot_readable": ("Mean of readable zero-shot languages", readable),
        }
        return {
            name: group
            for name, group in groups.items()
            if group[1] and (name != "mean_zero_shot_readable" or readable != self.zero_shot)
        }


def compare(
    runs: Runs, languages: Languages, *, split: str, confirmed: bool, baseline: str, selected: str
) -> Comparison:
    """Scores of all variants, and effects where baseline and variant share seeds and examples."""
    effects = tuple(
        effect
        for variant in runs
        if confirmed and variant != baseline and runs.get(baseline)
        for effect in _effects(variant, runs[variant], runs[baseline], languages)
    )
    chosen = {effect.target: effect for effect in effects if effect.variant == selected}

    def row(target: str, label: str, kind: Kind, members: tuple[str, ...]) -> Row:
        scores = tuple(_score(runs[variant], members) for variant in runs)
        return Row(
            target=target,
            label=label,
            kind=kind,
            unreadable=None if kind == "average" else languages.unreadable.get(target),
            marked=kind != "average" and languages.marked(target),
            scores=scores,
            difference=_difference(
                chosen.get(target), dict(zip(runs, scores, strict=True)), baseline, selected
            ),
            effect=chosen.get(target),
        )

    return Comparison(
        split=split,
        confirmed=confirmed,
        baseline=baseline,
        selected=selected,
        variants=tuple(runs),
        languages=tuple(
            row(name, language_label(name), _kind(name, languages), (name,))
            for name in languages.all
        ),
        averages=tuple(
            row(name, label, "average", members)
            for name, (label, members) in languages.averages.items()
        ),
        effects=effects,
        unreadable_threshold=languages.threshold,
        resamples=RESAMPLES,
    )


def _kind(language: str, languages: Languages) -> Kind:
    return "source" if language == languages.source else "zero_shot"


def _difference(
    effect: Effect | None, scores: Mapping[str, Score | None], baseline: str, selected: str
) -> float | None:
    if effect is not None:
        return effect.difference
    ours, theirs = scores.get(selected), scores.get(baseline)
    if ours is None or theirs is None or selected == baseline:
        return None
    return ours.accuracy - theirs.accuracy


def _score(runs: Sequence[ScoredRun], members: tuple[str, ...]) -> Score | None:
    """Mean over members of each run that has all of them, then mean over runs."""
    values = [
        float(np.mean([run.accuracy[name] for name in members]))
        for run in runs
        if all(name in run.accuracy for name in members)
    ]
    if not values:
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Score(float(np.mean(values)), deviation, len(values))


def _effects(
    variant: str, runs: Sequence[ScoredRun], baseline: Sequence[ScoredRun], languages: Languages
) -> tuple[Effect, ...]:
    data = paired(runs, baseline, languages.all)
    if data is None:
        return ()
    groups: dict[str, tuple[str, ...]] = {name: (name,) for name in languages.all}
    groups |= {name: members for name, (_, members) in languages.averages.items()}
    return effects_of(variant, data, groups, family=languages.zero_shot)
