"""Optimisation, evaluation, scaling, and the tree of one run with its cross-field checks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from .base import Fraction, Frozen, NonNegative, Positive
from .data import EMBEDDED, DataConfig
from .model import ModelConfig, ScratchModel
from .objective import ObjectiveConfig


class OptimisationConfig(Frozen):
    """Steps, learning rate and training schedule."""

    steps: PositiveInt = 600
    """Optimiser steps, alignment included."""
    batch_size: PositiveInt = 32
    """NLI examples of a step over all workers."""
    learning_rate: Positive = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: NonNegative = 0.01
    """Decoupled weight decay on matrices."""
    warmup_fraction: Fraction = 0.05
    """Share of the steps with a linearly growing learning rate."""
    decay: Literal["linear", "cosine", "constant"] = "linear"
    """Shape of the learning rate after the warm-up."""
    clip_norm: Positive = 1.0
    """Largest norm of the gradient."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward pass; losses are fp32 always, fp16 overflows in T5."""
    schedule: Literal["joint", "align_then_joint", "align_then_finetune"] = "joint"
    """Task and alignment together; alignment first, then both; alignment first, then the task."""
    align_fraction: float = Field(0.5, gt=0, lt=1)
    """Share of the steps that aligns first; without a parallel level there is no such phase."""
    token_budget: PositiveInt = 8192
    """Most padded pieces of a micro-batch; larger batches accumulate, contrastive ones cached."""
    evaluate_every: PositiveInt | None = None
    """Steps between validations (the rungs); only at the end when not set."""
    checkpoint_every: PositiveInt | None = None
    """Steps between checkpoints; at each validation when not set."""


class EvaluationConfig(Frozen):
    """What is measured beside accuracy per language."""

    task: str | None = Field(None, pattern=r"^[a-z0-9_]+$")
    """Name of the task in metric keys; `embedded` or `xnli` by the data when not set."""
    pair_matrix_size: int = Field(200, ge=0)
    """Aligned examples of the premise x hypothesis matrix (sampled); 0 leaves it out."""
    token_budget: PositiveInt = 16384
    """Most padded pieces of an evaluation batch."""
    unreadable_threshold: Fraction = 0.2
    """A language with a larger share of unreadable characters is marked everywhere."""


class ScalingConfig(Frozen):
    """Resources of one run."""

    workers: PositiveInt = 1
    """Data-parallel workers (Ray Train); one worker runs in the trial's own process."""
    cpus_per_worker: PositiveInt = 1
    """CPU cores of a worker."""
    gpus_per_worker: int = Field(0, ge=0, le=1)
    """GPUs of a worker."""


class RunConfig(Frozen):
    """One run with fixed hyperparameters: what `mlctl_ray.train` takes."""

    model: ModelConfig = ModelConfig(scratch=ScratchModel())
    """Backbone and NLI prompt."""
    data: DataConfig = DataConfig()
    """Data sources."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """Loss."""
    optimisation: OptimisationConfig = OptimisationConfig()
    """Optimiser and schedule."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Measurements."""
    scaling: ScalingConfig = ScalingConfig()
    """Resources."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of weights, order, dropout and views."""

    @model_validator(mode="after")
    def _levels_have_data(self) -> RunConfig:
        active, data = self.objective.active, self.data
        if self.objective.parallel_levels and data.parallel is None:
            raise ValueError(
                f"objective.levels {'+'.join(active)!r} needs parallel text: set data.parallel"
            )
        if self.objective.span_corruption.weight and data.parallel is None:
            raise ValueError(
                f"objective.span_corruption.weight {self.objective.span_corruption.weight:g} "
                "needs parallel text: set data.parallel"
            )
        if {"word", "multi"} & set(active) and data.alignment == "none":
            raise ValueError(
                f"objective.levels {'+'.join(active)!r} has a word level and needs aligned words: "
                "set data.alignment to 'gold' or 'lexicon'"
            )
        if "label" in active and data.lexicon is None:
            raise ValueError(
                f"objective.levels {'+'.join(active)!r} has the label level, whose code-switched "
                "views need data.lexicon"
            )
        return self

    @model_validator(mode="after")
    def _batches_divide(self) -> RunConfig:
        workers = self.scaling.workers
        for field, size in (
            ("optimisation.batch_size", self.optimisation.batch_size),
            ("objective.batch_size", self.objective.batch_size),
        ):
            if size % workers:
                raise ValueError(
                    f"{field} {size} must divide over scaling.workers {workers} "
                    "(it is the batch over all workers)"
                )
        return self

    @property
    def task(self) -> str:
        """Name of the task in metric keys."""
        if self.evaluation.task:
            return self.evaluation.task
        return "embedded" if self.data.nli.path == EMBEDDED else "xnli"

    @property
    def align_steps(self) -> int:
        """Steps of the alignment phase; 0 for joint training or without a parallel level."""
        if self.optimisation.schedule == "joint" or not self.objective.parallel_levels:
            return 0
        return max(1, round(self.optimisation.align_fraction * self.optimisation.steps))
