"""Checkpoints of small models with random weights, written without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from tiny_runs import SIZES, run_config, save_flan_like
from transformers import ByT5Tokenizer, T5Config, T5ForConditionalGeneration

from mlctl_ray.config import RunConfig
from mlctl_ray.data.tokenizer import load_tokenizer
from mlctl_ray.model import MlctlModel, build_backbone, verbaliser_ids
from mlctl_ray.training.checkpoint import save_checkpoint
from mlctl_ray.training.data import load_training_data

Kind = Literal["scratch", "flan", "bytes"]
KINDS: tuple[Kind, ...] = ("scratch", "flan", "bytes")


def save_tiny_checkpoint(folder: Path, kind: Kind) -> Path:
    """A checkpoint below `folder`, of a model from scratch, a Flan-like one or a ByT5-like one."""
    config = _config(folder, kind)
    torch.manual_seed(3)
    if config.model.name is None:
        tokenizer = load_training_data(config.data, config.model.text).tokenizer
    else:
        tokenizer = load_tokenizer(config.model.name)
    backbone = build_backbone(config.model, tokenizer)
    if kind != "flan":
        # A fresh head is too small for answers that differ clearly from example to example.
        with torch.no_grad():
            backbone.get_output_embeddings().weight.mul_(8)
    ids = verbaliser_ids(config.model.text, tokenizer)
    model = MlctlModel(backbone, config.model, ids, config.objective.active)
    return save_checkpoint(folder / "checkpoint", model, tokenizer, config, None)


def _config(folder: Path, kind: Kind) -> RunConfig:
    scratch = run_config(folder / "cache")
    if kind == "scratch":
        return scratch
    if kind == "flan":
        save_flan_like(
            folder / "flan", load_training_data(scratch.data, scratch.model.text).tokenizer
        )
        model = {"name": str(folder / "flan"), "prompt": "{premise} ? {hypothesis}\n{options}"}
        return run_config(folder / "cache", model=model)
    tokenizer = ByT5Tokenizer()
    T5ForConditionalGeneration(
        T5Config(vocab_size=len(tokenizer), d_model=16, decoder_start_token_id=0, **SIZES)
    ).save_pretrained(folder / "bytes")
    tokenizer.save_pretrained(folder / "bytes")
    model = {
        "name": str(folder / "bytes"),
        "prompt": "{hypothesis}|{premise}",
        "verbalisers": ["y", "m", "n"],
    }
    return run_config(folder / "cache", model=model)
