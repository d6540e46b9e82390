"""Runs and backbones small enough for tests, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, T5Config, T5ForConditionalGeneration

from mlctl_ray.config import RunConfig, validate
from mlctl_ray.data.tokenizer import TextTokenizer, train_unigram

WORDS = ("yes", "maybe", "no")
PROMPT = "{premise} ? {hypothesis}"
SIZES = {"d_kv": 8, "d_ff": 32, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 1}


def tree(cache: Path, **overrides: Any) -> dict[str, Any]:
    """The plain tree of a tiny run; `overrides` replace fields by ``section__field``."""
    content: dict[str, Any] = {
        "model": {
            "scratch": {
                "d_model": 16,
                "d_kv": 8,
                "heads": 2,
                "d_ff": 32,
                "encoder_layers": 2,
                "decoder_layers": 1,
                "vocabulary": 400,
            },
            "dropout": 0.0,
            "prompt": PROMPT,
        },
        "data": {
            "nli": {"languages": ["en", "de", "zh"], "train_size": 60, "evaluation_size": 24},
            "parallel": {"size": 40},
            "retrieval": {"size": 20},
            "max_length": 48,
            "cache": str(cache),
        },
        "objective": {"levels": "sentence+word+multi+label", "batch_size": 12, "words_per_pair": 2},
        "optimisation": {"steps": 3, "batch_size": 12, "learning_rate": 1e-2},
        "evaluation": {"pair_matrix_size": 6},
    }
    for name, value in overrides.items():
        *path, last = name.split("__")
        place = content
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return content


def run_config(cache: Path, **overrides: Any) -> RunConfig:
    """A tiny run on the embedded corpus."""
    return validate(RunConfig, tree(cache, **overrides), "test")


def tokenizer() -> TextTokenizer:
    """A Unigram tokenizer with the answers as pieces."""
    texts = [f"the cat sees {n} dogs ? no dog sees the cat" for n in range(30)]
    return train_unigram(texts, vocabulary=120, keep=WORDS)


def save_flan_like(folder: Path, text: TextTokenizer) -> PreTrainedModel:
    """Save a T5 1.1 with a head of its own, with its tokenizer, as Flan-T5 lies on the hub."""
    torch.manual_seed(7)
    config = T5Config(
        vocab_size=text.size,
        d_model=16,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=text.pad_id,
        pad_token_id=text.pad_id,
        eos_token_id=text.eos_id,
        **SIZES,
    )
    model = T5ForConditionalGeneration(config)
    untie(model)
    model.save_pretrained(folder)
    text.save(folder)
    return model


def untie(model: PreTrainedModel) -> None:
    """Give the model a head of its own; transformers builds the T5 family tied."""
    weight = model.get_output_embeddings().weight
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(weight) * 0.3)
