"""Which T5 is trained, how its encoder is pooled, and how NLI is put into words."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from .base import Frozen

FLAN_PROMPT = (
    "Premise: {premise}\n\nHypothesis: {hypothesis}\n\n"
    "Does the premise entail the hypothesis?\n\n{options}"
)


@dataclass(frozen=True, slots=True)
class TextFormat:
    """What turns NLI into pieces: which tokenizer, which prompt, which answers.

    `vocabulary` is the size of the tokenizer to train, `name` the checkpoint that brings one; one
    of the two is None.
    """

    name: str | None
    vocabulary: int | None
    prompt: str
    verbalisers: tuple[str, str, str]


class ScratchModel(Frozen):
    """Sizes of a T5 1.1 (gated GELU, RMSNorm, relative positions) with random weights."""

    d_model: PositiveInt = 128
    """Width of the hidden states."""
    d_kv: PositiveInt = 32
    """Width of one attention head."""
    heads: PositiveInt = 4
    """Attention heads of a layer."""
    d_ff: PositiveInt = 256
    """Width of the feed-forward layers."""
    encoder_layers: PositiveInt = 3
    """Encoder blocks."""
    decoder_layers: PositiveInt = 1
    """Decoder blocks."""
    vocabulary: int = Field(2000, ge=64)
    """Largest number of pieces of the Unigram tokenizer trained on the corpora."""


class ModelConfig(Frozen):
    """Backbone, pooling, projection and the text-to-text form of NLI."""

    name: str | None = None
    """Hub id or local folder of a T5-family checkpoint; exactly one of `name` and `scratch`."""
    scratch: ScratchModel | None = None
    """Train a T5 from random weights of these sizes instead of loading a checkpoint."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout probability of the backbone."""
    pooling: Literal["mean", "avg_first_last", "last"] = "avg_first_last"
    """Sentence vector: mean of the last layer, mean of first and last layer, or the last token."""
    projection: Literal["mlp", "none"] = "mlp"
    """ML-CTL's head W2 ReLU(W1 x) on pooled vectors (method.md, 1.2), or none."""
    freeze_embeddings: bool = False
    """Keep the input embeddings as they are."""
    freeze_layers: int = Field(0, ge=0)
    """Keep this many lower encoder blocks as they are."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass to save memory."""
    prompt: str = FLAN_PROMPT
    """Template of the encoder input; fields {premise}, {hypothesis} and optionally {options}."""
    verbalisers: tuple[str, str, str] = ("yes", "maybe", "no")
    """Answers for entailment, neutral, contradiction; each one piece of the tokenizer."""

    @field_validator("prompt")
    @classmethod
    def _fields_of_prompt(cls, prompt: str) -> str:
        try:
            fields = {name for _, name, _, _ in Formatter().parse(prompt) if name is not None}
        except ValueError as error:
            raise ValueError(f"is not a format template ({error})") from None
        if not {"premise", "hypothesis"} <= fields <= {"premise", "hypothesis", "options"}:
            raise ValueError("needs {premise} and {hypothesis}, may have {options}, nothing else")
        return prompt

    @field_validator("verbalisers", mode="before")
    @classmethod
    def _three(cls, verbalisers: Any) -> Any:
        if not isinstance(verbalisers, list | tuple) or len(verbalisers) != 3:
            raise ValueError("needs three words")
        return verbalisers

    @field_validator("verbalisers")
    @classmethod
    def _distinct(cls, verbalisers: tuple[str, str, str]) -> tuple[str, str, str]:
        if len(set(verbalisers)) != 3 or not all(v.strip() for v in verbalisers):
            raise ValueError("needs three different words")
        return verbalisers

    @model_validator(mode="after")
    def _one_origin(self) -> ModelConfig:
        if (self.name is None) == (self.scratch is None):
            raise ValueError("set exactly one of name (hub id or folder) and scratch (sizes)")
        if self.scratch and self.freeze_layers > self.scratch.encoder_layers:
            raise ValueError(
                f"freeze_layers {self.freeze_layers} is more than the "
                f"{self.scratch.encoder_layers} encoder layers"
            )
        return self

    @property
    def text(self) -> TextFormat:
        """The part of the model that the data depend on."""
        vocabulary = self.scratch.vocabulary if self.scratch else None
        return TextFormat(self.name, vocabulary, self.prompt, self.verbalisers)
