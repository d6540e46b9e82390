"""Backbone, pooling, projection and verbalisers."""

from __future__ import annotations

from .backbone import FAMILIES, build_backbone, count_parameters, read_backbone_config
from .model import MlctlModel, ProjectionHead
from .pooling import EncoderStates, pooled_layers, sentence_vectors, span_vectors
from .prompt import Prompt, make_prompt, verbaliser_ids

__all__ = [
    "FAMILIES",
    "EncoderStates",
    "MlctlModel",
    "ProjectionHead",
    "Prompt",
    "build_backbone",
    "count_parameters",
    "make_prompt",
    "pooled_layers",
    "read_backbone_config",
    "sentence_vectors",
    "span_vectors",
    "verbaliser_ids",
]
