"""Frozen, validated configuration: YAML in, one resolved object out."""

from __future__ import annotations

from .data import EMBEDDED, DataConfig, NliSource, ParallelSource, RetrievalSource
from .loading import flatten, load_config, validate
from .model import ModelConfig, ScratchModel, TextFormat
from .objective import LEVELS, Level, LevelConfig, ObjectiveConfig, SpanCorruption, join_levels
from .overrides import apply_overrides
from .run import EvaluationConfig, OptimisationConfig, RunConfig, ScalingConfig
from .search import (
    MEASURES,
    AshaConfig,
    Bound,
    ConfirmationConfig,
    Measure,
    RetriesConfig,
    Selection,
    TerminatorConfig,
)
from .space import (
    CategoricalDomain,
    ConstantDomain,
    Domain,
    FloatDomain,
    IntDomain,
)
from .study import StudyConfig, StudySection
from .variants import BASELINE, VARIANTS
from .yaml_text import parse_yaml, plain, to_yaml

__all__ = [
    "BASELINE",
    "EMBEDDED",
    "LEVELS",
    "MEASURES",
    "VARIANTS",
    "AshaConfig",
    "Bound",
    "CategoricalDomain",
    "ConfirmationConfig",
    "ConstantDomain",
    "DataConfig",
    "Domain",
    "EvaluationConfig",
    "FloatDomain",
    "IntDomain",
    "Level",
    "LevelConfig",
    "Measure",
    "ModelConfig",
    "NliSource",
    "ObjectiveConfig",
    "OptimisationConfig",
    "ParallelSource",
    "RetriesConfig",
    "RetrievalSource",
    "RunConfig",
    "ScalingConfig",
    "ScratchModel",
    "Selection",
    "SpanCorruption",
    "StudyConfig",
    "StudySection",
    "TerminatorConfig",
    "TextFormat",
    "apply_overrides",
    "flatten",
    "join_levels",
    "load_config",
    "parse_yaml",
    "plain",
    "to_yaml",
    "validate",
]
