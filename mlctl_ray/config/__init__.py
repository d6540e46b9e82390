"""Frozen, validated configuration: YAML in, one resolved object out."""

from __future__ import annotations

from .data import EMBEDDED, DataConfig, NliSource, ParallelSource, RetrievalSource
from .loading import flatten, load_config, validate
from .model import ModelConfig, ScratchModel, TextFormat
from .objective import LEVELS, Level, LevelConfig, ObjectiveConfig, SpanCorruption, join_levels
from .overrides import apply_overrides
from .run import EvaluationConfig, OptimisationConfig, RunConfig, ScalingConfig
from .space import (
    CategoricalDomain,
    ConstantDomain,
    Domain,
    FloatDomain,
    IntDomain,
)
from .study import AshaConfig, ConfirmationConfig, StudyConfig, StudySection
from .variants import BASELINE, VARIANTS
from .yaml_text import parse_yaml, plain, to_yaml

__all__ = [
    "BASELINE",
    "EMBEDDED",
    "LEVELS",
    "VARIANTS",
    "AshaConfig",
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
    "ModelConfig",
    "NliSource",
    "ObjectiveConfig",
    "OptimisationConfig",
    "ParallelSource",
    "RetrievalSource",
    "RunConfig",
    "ScalingConfig",
    "ScratchModel",
    "SpanCorruption",
    "StudyConfig",
    "StudySection",
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
