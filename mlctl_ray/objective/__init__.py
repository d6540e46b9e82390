"""Contrastive objective: pure functions of tensors, one loss family for every level."""

from __future__ import annotations

from mlctl_ray.objective.gather import gather_rows
from mlctl_ray.objective.labels import label_loss
from mlctl_ray.objective.level import LevelLoss
from mlctl_ray.objective.offset import offset_nce
from mlctl_ray.objective.pairs import pair_loss

__all__ = ["LevelLoss", "gather_rows", "label_loss", "offset_nce", "pair_loss"]
