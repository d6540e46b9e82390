from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_runs import SIZES, run_config, save_flan_like
from transformers import ByT5Tokenizer, T5Config, T5ForConditionalGeneration

from mlctl_ray.config import RunConfig
from mlctl_ray.data.tokenizer import load_tokenizer
from mlctl_ray.evaluate import evaluate
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.run import run_training


def train_and_evaluate(config: RunConfig, folder: Path) -> None:
    result = run_training(config, folder)
    again = evaluate(folder / "checkpoint")
    for key, value in again.metrics.items():
        assert result.metrics[key] == pytest.approx(value), key
    saved = json.loads((folder / "metrics.json").read_text())
    assert saved == dict(result.metrics)


def test_a_flan_t5_shaped_folder_trains_and_is_evaluated(tmp_path: Path) -> None:
    scratch = run_config(tmp_path / "cache")
    own = load_training_data(scratch.data, scratch.model.text).tokenizer
    before = save_flan_like(tmp_path / "flan", own)
    config = run_config(
        tmp_path / "cache",
        model={"name": str(tmp_path / "flan"), "prompt": "{premise} ? {hypothesis}\n{options}"},
        optimisation__steps=4,
    )
    data = load_training_data(config.data, config.model.text)
    assert data.tokenizer.fingerprint == own.fingerprint
    train_and_evaluate(config, tmp_path / "run")
    from mlctl_ray.training.checkpoint import open_checkpoint

    after = open_checkpoint(tmp_path / "run" / "checkpoint")[0].backbone
    assert after.lm_head.weight is not after.shared.weight
    assert not torch.equal(after.lm_head.weight, before.lm_head.weight)
    assert not torch.equal(after.shared.weight, before.shared.weight)
    assert not after.config.scale_decoder_outputs


def test_a_byte_level_folder_trains_and_is_evaluated(tmp_path: Path) -> None:
    folder = tmp_path / "byt5"
    torch.manual_seed(3)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=384,
            d_model=16,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            decoder_start_token_id=0,
            **SIZES,
        )
    )
    model.save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)
    assert load_tokenizer(str(folder)).byte_level
    config = run_config(
        tmp_path / "cache",
        model={"name": str(folder), "prompt": "{premise} ? {hypothesis}"},
        model__verbalisers=["y", "m", "n"],
        objective__span_corruption={"weight": 0.1},
        data__max_length=96,
        optimisation__steps=4,
    )
    train_and_evaluate(config, tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["tokenizer/zh/unreadable"] == 0.0
