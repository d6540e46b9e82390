"""T5-family backbones: from a hub id, from a local folder, or from random weights."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.logging import disable_progress_bar

from ..config import ModelConfig, ScratchModel
from ..data.tokenizer import TextTokenizer
from ..errors import InputError

if not sys.stderr.isatty():
    # Bars of every load and save would bury the lines of a command's log.
    disable_progress_bar()

# The head is untied on purpose, of which transformers warns at every load.
transformers_logging.set_verbosity_error()

FAMILIES = ("t5", "mt5", "umt5")
"""`model_type` of the supported checkpoints; Flan-T5 and byT5 are `t5`, mT0 is `mt5`."""


def build_backbone(config: ModelConfig, tokenizer: TextTokenizer) -> PreTrainedModel:
    """The sequence-to-sequence model of a configuration, in float32.

    Raises:
        InputError: the checkpoint cannot be read, or is not of the T5 family.
    """
    if config.scratch is not None:
        model = _from_scratch(config.scratch, tokenizer, config.dropout)
    else:
        assert config.name is not None  # guaranteed by ModelConfig
        model = _pretrained(config.name, config.dropout)
    if model.get_input_embeddings().num_embeddings < tokenizer.size:
        _resize(model, tokenizer.size)
    _freeze(model, config)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def read_backbone_config(name: str) -> PretrainedConfig:
    """The configuration of a checkpoint without its weights.

    Raises:
        InputError: there is no such checkpoint, or it is not of the T5 family.
    """
    folder = Path(name).expanduser()
    local = folder.exists() or name.startswith((".", "/", "~"))
    if local and not (folder / "config.json").is_file():
        raise InputError(f"model.name: {name!r} is not a folder with a config.json")
    try:
        config = AutoConfig.from_pretrained(str(folder) if local else name)
    except (OSError, ValueError) as error:
        raise InputError(f"model.name: {name!r} cannot be read: {_first_line(error)}") from None
    if config.model_type not in FAMILIES:
        raise InputError(
            f"model.name: {name!r} is a {config.model_type!r} model; allowed: {', '.join(FAMILIES)}"
        )
    return config


def _pretrained(name: str, dropout: float) -> PreTrainedModel:
    config = read_backbone_config(name)
    config.dropout_rate = dropout
    folder = Path(name).expanduser()
    source = str(folder) if folder.exists() else name
    try:
        return AutoModelForSeq2SeqLM.from_pretrained(
            source, config=config, dtype=torch.float32, attn_implementation="sdpa"
        )
    except (OSError, ValueError) as error:
        raise InputError(f"model.name: {name!r} cannot be read: {_first_line(error)}") from None


def _scratch_config(sizes: ScratchModel, vocabulary: int, dropout: float) -> T5Config:
    config = T5Config(
        vocab_size=vocabulary,
        d_model=sizes.d_model,
        d_kv=sizes.d_kv,
        d_ff=sizes.d_ff,
        num_heads=sizes.heads,
        num_layers=sizes.encoder_layers,
        num_decoder_layers=sizes.decoder_layers,
        dropout_rate=dropout,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        scale_decoder_outputs=False,
    )
    config._attn_implementation = "sdpa"
    return config


def _from_scratch(sizes: ScratchModel, tokenizer: TextTokenizer, dropout: float) -> PreTrainedModel:
    config = _scratch_config(sizes, tokenizer.size, dropout)
    config.pad_token_id = config.decoder_start_token_id = tokenizer.pad_id
    config.eos_token_id = tokenizer.eos_id
    model = T5ForConditionalGeneration(config)
    # transformers ties the head of every T5 that it builds; T5 1.1 has one of its own.
    model.lm_head.weight = nn.Parameter(torch.empty_like(model.shared.weight))
    # Embeddings of T5's unit variance hardly move under AdamW: the task is learned on them before
    # alignment can change them, and zero-shot accuracy stays at chance.
    for weight in (model.shared.weight, model.lm_head.weight):
        nn.init.normal_(weight, std=sizes.d_model**-0.5)
    return model


def _resize(model: PreTrainedModel, size: int) -> None:
    """Add rows for the tokenizer's own pieces; a head of its own keeps its weights."""
    config = model.config
    tied, config.tie_word_embeddings = config.tie_word_embeddings, not _has_own_head(model)
    model.resize_token_embeddings(size, mean_resizing=False)
    config.tie_word_embeddings = tied


def _has_own_head(model: PreTrainedModel) -> bool:
    return model.get_output_embeddings().weight is not model.get_input_embeddings().weight


def _freeze(model: PreTrainedModel, config: ModelConfig) -> None:
    blocks = model.get_encoder().block
    if config.freeze_layers > len(blocks):
        raise InputError(
            f"model.freeze_layers: {config.freeze_layers} is more than the "
            f"{len(blocks)} encoder layers"
        )
    frozen: list[nn.Module] = list(blocks[: config.freeze_layers])
    if config.freeze_embeddings:
        frozen.append(model.get_input_embeddings())
    for module in frozen:
        module.requires_grad_(False)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def count_parameters(config: ModelConfig, vocabulary: int | None = None) -> int | None:
    """Parameters of the backbone, counted without allocating them.

    A scratch model is counted with its configured vocabulary. None for a hub id that is not in
    the local cache: counting never asks the network.
    """
    if config.scratch is not None:
        size = (vocabulary or config.scratch.vocabulary) + 100
        architecture: PretrainedConfig = _scratch_config(config.scratch, size, config.dropout)
        written: dict[str, object] = {"tie_word_embeddings": False}
    else:
        assert config.name is not None  # guaranteed by ModelConfig
        folder = Path(config.name).expanduser()
        name = str(folder) if folder.exists() else config.name
        try:
            architecture = AutoConfig.from_pretrained(name, local_files_only=True)
            written, _ = PretrainedConfig.get_config_dict(name, local_files_only=True)
        except (OSError, ValueError):
            return None
    with torch.device("meta"):
        model = AutoModelForSeq2SeqLM.from_config(architecture)
    count = sum(parameter.numel() for parameter in model.parameters())
    # transformers builds the whole family tied, and unties when it meets a head in the weights;
    # T5 1.1, mT5 and umT5 have one, and their files say so.
    untied = False in (written.get("tie_word_embeddings"), written.get("scale_decoder_outputs"))
    if untied and not _has_own_head(model):
        count += model.get_output_embeddings().weight.numel()
    return int(count)
