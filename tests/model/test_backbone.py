from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import SIZES, WORDS, run_config, save_flan_like, tokenizer, untie
from torch import Tensor
from transformers import (
    BertConfig,
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)

from mlctl_ray.config import ModelConfig, ScratchModel
from mlctl_ray.data.tokenizer import TextTokenizer
from mlctl_ray.errors import InputError
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.model import (
    MlctlModel,
    build_backbone,
    count_parameters,
    make_prompt,
    read_backbone_config,
    verbaliser_ids,
)
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.trainer import Trainer

SCRATCH = ScratchModel(d_model=16, d_kv=8, heads=2, d_ff=32, encoder_layers=2, vocabulary=120)
FAMILIES = {
    "t5": (T5Config, T5ForConditionalGeneration, {"feed_forward_proj": "relu"}),
    "flan": (T5Config, T5ForConditionalGeneration, {"tie_word_embeddings": False}),
    "mt5": (MT5Config, MT5ForConditionalGeneration, {}),
    "umt5": (UMT5Config, UMT5ForConditionalGeneration, {}),
}


@pytest.fixture(scope="module")
def text() -> TextTokenizer:
    return tokenizer()


def padded(text: TextTokenizer) -> tuple[Tensor, Tensor]:
    rows = [e.ids for e in text.encode(["the cat sees 3 dogs", "no dog", "the dog sees"], 32)]
    width = max(map(len, rows)) + 3
    ids = torch.tensor([row + [text.pad_id] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def first_step_logits(model: MlctlModel, ids: Tensor, mask: Tensor) -> Tensor:
    """The label columns of the whole sequence-to-sequence forward pass."""
    start = torch.full((len(ids), 1), model.backbone.config.decoder_start_token_id)
    output = model.backbone(input_ids=ids, attention_mask=mask, decoder_input_ids=start)
    logits: Tensor = output.logits[:, 0, model.label_ids_3]
    return logits


def whole(config: ModelConfig, text: TextTokenizer) -> MlctlModel:
    labels = verbaliser_ids(config.text, text)
    return MlctlModel(build_backbone(config, text), config, labels).eval()


def assert_same_logits(model: MlctlModel, text: TextTokenizer) -> None:
    ids, mask = padded(text)
    with torch.no_grad():
        found = model.label_logits(model.encode(ids, mask))
        expected = first_step_logits(model, ids, mask)
    assert expected.std() > 1e-4
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_label_logits_of_a_model_from_scratch(text: TextTokenizer) -> None:
    torch.manual_seed(1)
    assert_same_logits(whole(ModelConfig(scratch=SCRATCH), text), text)


@pytest.mark.parametrize("head", ["tied", "own"])
@pytest.mark.parametrize("family", FAMILIES)
def test_label_logits_of_a_saved_checkpoint(
    family: str, head: str, text: TextTokenizer, tmp_path: Path
) -> None:
    model = save(family, text.size, tmp_path, own_head=head == "own")
    config = ModelConfig(name=str(tmp_path))
    found = whole(config, text)
    assert_same_logits(found, text)
    for name in ("shared.weight", "lm_head.weight"):
        torch.testing.assert_close(found.backbone.state_dict()[name], model.state_dict()[name])
    assert scaled(found) == (family in {"t5", "umt5"})


def save(family: str, size: int, folder: Path, *, own_head: bool) -> Any:
    torch.manual_seed(5)
    make_config, make_model, more = FAMILIES[family]
    config = make_config(
        vocab_size=size, d_model=16, decoder_start_token_id=0, pad_token_id=0, **SIZES, **more
    )
    model = make_model(config)
    if own_head:
        untie(model)
    model.save_pretrained(folder)
    return model


def scaled(model: MlctlModel) -> bool:
    """Whether the logits are the head's on the decoder's output divided by sqrt(width)."""
    ids = torch.tensor([[5, 6, 1]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        states = model.encode(ids, mask)
        hidden = model.backbone.get_decoder()(
            input_ids=torch.zeros(1, 1, dtype=torch.long),
            encoder_hidden_states=states.last_BLD,
            encoder_attention_mask=mask,
        ).last_hidden_state[:, 0]
        plain = hidden @ model.backbone.lm_head.weight[model.label_ids_3].T
        return not torch.allclose(plain, model.label_logits(states), rtol=1e-3)


def test_more_pieces_than_rows_leave_a_head_of_its_own_alone(
    text: TextTokenizer, tmp_path: Path
) -> None:
    before = save("flan", text.size - 10, tmp_path, own_head=True)
    model = build_backbone(ModelConfig(name=str(tmp_path)), text)
    for name in ("shared.weight", "lm_head.weight"):
        assert model.state_dict()[name].shape == (text.size, 16)
        torch.testing.assert_close(model.state_dict()[name][:-10], before.state_dict()[name])
    assert model.lm_head.weight is not model.shared.weight


@pytest.mark.parametrize("head", ["tied", "own"])
@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_counted_without_the_weights(
    family: str, head: str, text: TextTokenizer, tmp_path: Path
) -> None:
    save(family, text.size, tmp_path, own_head=head == "own")
    rewrite_flag(tmp_path, untied=head == "own")
    config = ModelConfig(name=str(tmp_path))
    model = build_backbone(config, text)
    assert count_parameters(config) == sum(p.numel() for p in model.parameters())


def rewrite_flag(folder: Path, *, untied: bool) -> None:
    """Write the flag as published files have it; transformers 5 writes it true always."""
    import json

    path = folder / "config.json"
    content = json.loads(path.read_text())
    content["tie_word_embeddings"] = not untied
    content.pop("scale_decoder_outputs", None)
    path.write_text(json.dumps(content))


def test_parameters_of_a_model_from_scratch(text: TextTokenizer) -> None:
    config = ModelConfig(scratch=SCRATCH)
    model = build_backbone(config, text)
    counted = count_parameters(config, text.size - len(text.sentinels))
    assert counted == sum(p.numel() for p in model.parameters())


def test_a_checkpoint_that_is_not_in_the_cache_is_not_counted() -> None:
    assert count_parameters(ModelConfig(name="nobody/there-is-no-such-model")) is None


def test_other_families_and_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    BertConfig(hidden_size=16, num_hidden_layers=1).save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match=r"model\.name.*'bert' model; allowed: t5, mt5, umt5"):
        read_backbone_config(str(tmp_path / "bert"))
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent"):
        with pytest.raises(InputError, match=r"model\.name.*config\.json"):
            read_backbone_config(str(tmp_path / name))


def test_a_folder_without_weights_is_refused(text: TextTokenizer, tmp_path: Path) -> None:
    save_flan_like(tmp_path, text)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.name.*cannot be read"):
        build_backbone(ModelConfig(name=str(tmp_path)), text)


def test_verbalisers_of_several_pieces_are_refused(text: TextTokenizer) -> None:
    config = ModelConfig(scratch=SCRATCH, verbalisers=("yes", "maybe", "entailment"))
    with pytest.raises(InputError, match=r"model\.verbalisers\.2: 'entailment' becomes the pieces"):
        verbaliser_ids(config.text, text)


def test_the_prompt_lists_the_answers() -> None:
    prompt = make_prompt(ModelConfig(scratch=SCRATCH, verbalisers=("a", "b", "c")).text)
    assert prompt("P {x}", "H") == (
        "Premise: P {x}\n\nHypothesis: H\n\nDoes the premise entail the hypothesis?\n\n"
        "OPTIONS:\n- a\n- b\n- c"
    )


def test_frozen_weights_stay_and_the_others_move(tmp_path: Path) -> None:
    config = run_config(tmp_path, model__freeze_layers=1)
    data = load_training_data(config.data, config.model.text)
    save_flan_like(tmp_path / "flan", data.tokenizer)
    config = run_config(
        tmp_path,
        model={
            "name": str(tmp_path / "flan"),
            "freeze_embeddings": True,
            "freeze_layers": 1,
            "dropout": 0.0,
        },
        optimisation__weight_decay=0.1,
    )
    trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    list(trainer.run(frozenset()))
    for name, parameter in trainer.model.named_parameters():
        frozen = name.startswith(("backbone.shared", "backbone.encoder.block.0."))
        assert torch.equal(parameter, before[name]) == frozen, name


def test_more_frozen_layers_than_there_are_is_refused(text: TextTokenizer, tmp_path: Path) -> None:
    save_flan_like(tmp_path, text)
    with pytest.raises(InputError, match=r"model\.freeze_layers: 3 is more than the 2"):
        build_backbone(ModelConfig(name=str(tmp_path), freeze_layers=3), text)


def test_gradient_checkpointing_changes_no_gradient(tmp_path: Path) -> None:
    gradients = []
    for checkpointing in (False, True):
        config = run_config(
            tmp_path,
            model__gradient_checkpointing=checkpointing,
            model__pooling="avg_first_last",
            optimisation__steps=1,
        )
        data = load_training_data(config.data, config.model.text)
        trainer = Trainer(config, data, Workers())
        encoder = trainer.model.backbone.get_encoder()
        assert encoder.gradient_checkpointing == checkpointing
        list(trainer.run(frozenset()))
        gradients.append({n: p.grad for n, p in trainer.model.named_parameters()})
    assert any(g is not None and g.abs().max() > 0 for g in gradients[0].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-7)


def test_verbalisers_are_the_first_label_columns(text: TextTokenizer) -> None:
    ids = verbaliser_ids(ModelConfig(scratch=SCRATCH, verbalisers=WORDS).text, text)
    assert text.hf.convert_ids_to_tokens(list(ids)) == ["▁yes", "▁maybe", "▁no"]
