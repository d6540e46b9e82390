from __future__ import annotations

import pytest
import torch
from tiny_runs import tokenizer

from mlctl_ray.config import ModelConfig, ScratchModel
from mlctl_ray.model import MlctlModel, build_backbone
from mlctl_ray.model.pooling import Pooling


def model(pooling: Pooling, layers: int = 3, projection: str = "mlp") -> MlctlModel:
    torch.manual_seed(4)
    sizes = ScratchModel(
        d_model=16, d_kv=8, heads=2, d_ff=32, encoder_layers=layers, vocabulary=120
    )
    config = ModelConfig(scratch=sizes, pooling=pooling, projection=projection)  # type: ignore[arg-type]
    backbone = build_backbone(config, tokenizer())
    return MlctlModel(backbone, config, (3, 4, 5), ("sentence", "multi")).eval()


@pytest.mark.parametrize("pooling", ["mean", "avg_first_last", "last"])
def test_padding_changes_neither_vectors_nor_logits(pooling: Pooling) -> None:
    made, ids = model(pooling), torch.tensor([[7, 8, 9, 10, 1]])
    results = []
    for width in (5, 8, 32, 96):
        mask = torch.zeros(1, width, dtype=torch.int64)
        mask[:, :5] = 1
        padded = torch.zeros(1, width, dtype=torch.int64)
        padded[:, :5] = ids
        with torch.no_grad():
            states = made.encode(padded, mask)
            vectors = made.sentences(made.layers(states), mask)
            results.append((vectors, made.label_logits(states)))
    for vectors, logits in results[1:]:
        torch.testing.assert_close(vectors, results[0][0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(logits, results[0][1], rtol=1e-5, atol=1e-5)


def test_the_first_layer_is_the_output_of_the_first_block() -> None:
    made = model("avg_first_last")
    encoder = made.backbone.get_encoder()
    seen: list[torch.Tensor] = []
    encoder.block[0].register_forward_hook(
        lambda _module, _inputs, output: seen.append(
            output[0] if isinstance(output, tuple) else output
        )
    )
    ids = torch.tensor([[7, 8, 9, 1]])
    with torch.no_grad():
        states = made.encode(ids, torch.ones_like(ids))
        plain = encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    torch.testing.assert_close(states.first_BLD, seen[0])
    torch.testing.assert_close(states.last_BLD, plain)


def test_heads_are_as_wide_as_what_they_project() -> None:
    made = model("mean")
    assert made.project("sentence", torch.randn(5, 16)).shape == (5, 16)
    assert made.project("multi", torch.randn(5, 32)).shape == (5, 32)
    vectors = torch.randn(5, 16)
    head = made.heads["sentence"]
    expected = (vectors @ head.inner.weight.T + head.inner.bias).clamp(min=0)
    torch.testing.assert_close(
        made.project("sentence", vectors), expected @ head.outer.weight.T + head.outer.bias
    )
    assert torch.equal(model("mean", projection="none").project("sentence", vectors), vectors)


def test_denoising_loss_is_the_sum_over_target_pieces() -> None:
    made = model("mean")
    ids = torch.tensor([[7, 8, 9, 1], [10, 11, 1, 0]])
    mask = (ids != 0).long()
    targets = torch.tensor([[5, 6, 1], [9, 1, -100]])
    with torch.no_grad():
        loss = made.denoising_loss(ids, mask, targets)
        logits = made.backbone(input_ids=ids, attention_mask=mask, labels=targets).logits
    chosen = [
        logits[row, step].log_softmax(-1)[piece]
        for row, pieces in enumerate(targets.tolist())
        for step, piece in enumerate(pieces)
        if piece != -100
    ]
    torch.testing.assert_close(loss, -sum(chosen[1:], chosen[0]), rtol=1e-5, atol=1e-5)
