"""The objective: which contrastive levels take part, and each level's three numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer

from .base import Frozen, NonNegative, Offset, Positive

Level = Literal["sentence", "word", "multi", "label"]
LEVELS: tuple[Level, ...] = get_args(Level)


def _split_levels(value: Any) -> Any:
    if isinstance(value, str):
        names = [] if value in ("", "none") else value.split("+")
    elif isinstance(value, Iterable):
        names = list(value)
    else:
        names = [value]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"levels joined by +, of {', '.join(LEVELS)}; or none")
    if len(set(names)) != len(names):
        raise ValueError("each level once")
    return sorted(names, key=lambda name: LEVELS.index(name) if name in LEVELS else len(LEVELS))


def join_levels(levels: Iterable[str]) -> str:
    """``('multi', 'label')`` -> ``'multi+label'``; no level -> ``'none'``."""
    return "+".join(levels) or "none"


Levels = Annotated[tuple[Level, ...], BeforeValidator(_split_levels), PlainSerializer(join_levels)]


class LevelConfig(Frozen):
    """One contrastive level: L_b of method.md, section 8, times a weight."""

    weight: NonNegative = 1.0
    """Weight of this level's loss beside the task loss; 0 computes nothing."""
    temperature: float = Field(0.07, ge=0.005, allow_inf_nan=False)
    """Temperature tau that divides the cosine similarities."""
    offset: Offset = math.inf
    """Offset b of CZ-NCE: 0 is InfoNCE exactly, .inf is CZ-NCE exactly."""


class SpanCorruption(Frozen):
    """T5's own denoising loss on the parallel text, in place of ML-CTL's masked words."""

    weight: NonNegative = 0.0
    """Weight beside the task loss; 0 computes nothing."""
    rate: float = Field(0.15, gt=0, lt=1)
    """Share of the pieces that is masked."""
    mean_length: Positive = 3.0
    """Mean length of a masked span in pieces."""


class ObjectiveConfig(Frozen):
    """Task loss + sum over levels of weight x contrastive loss + span corruption."""

    levels: Levels = ("multi", "label")
    """Levels that take part, joined by `+`: sentence, word, multi, label; or `none`."""
    sentence: LevelConfig = LevelConfig()
    """Sentence vectors of parallel sentences."""
    word: LevelConfig = LevelConfig()
    """Contextual vectors of aligned words."""
    multi: LevelConfig = LevelConfig()
    """ML-CTL's concatenated [sentence ; word] vector, one loss for both (method.md, 1.2)."""
    label: LevelConfig = LevelConfig()
    """Pair vectors of NLI examples and their code-switched views; same label is positive."""
    batch_size: int = Field(64, ge=2)
    """Sentence pairs of a contrastive step over all workers; every pair is the others' negative."""
    words_per_pair: int = Field(1, ge=1)
    """Aligned words drawn from a sentence pair at the word level."""
    same_side_negatives: bool = True
    """Count the other anchors of the same side as negatives too (method.md, 1.3)."""
    directions: Literal["one", "both"] = "both"
    """`one`: only the source side is the anchor, as published; `both`: the mean of both."""
    mask_duplicates: bool = True
    """Leave equal sentences (or words) of a batch out of each other's negatives."""
    span_corruption: SpanCorruption = SpanCorruption()
    """Auxiliary denoising loss."""

    def level(self, name: Level) -> LevelConfig:
        """The settings of one level by its name."""
        value: LevelConfig = getattr(self, name)
        return value

    @property
    def active(self) -> tuple[Level, ...]:
        """Levels that take part with a weight above zero."""
        return tuple(name for name in self.levels if self.level(name).weight > 0)

    @property
    def parallel_levels(self) -> tuple[Level, ...]:
        """Active levels that read parallel text."""
        return tuple(name for name in self.active if name != "label")
