"""NLI by label likelihood and sentence embedding, sorted by length under a token budget.

Shapes: N examples, D width, 3 labels.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.batching import micro_batches
from ..data.collate import pad_rows
from ..data.ragged import RaggedArray
from ..model import EncoderStates, MlctlModel
from .workers import Workers


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """bf16 autocast on a device, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def label_log_probabilities(
    model: MlctlModel,
    ids: RaggedArray,
    *,
    token_budget: int,
    workers: Workers,
    precision: str = "fp32",
) -> NDArray[np.float32]:
    """Log-probabilities (N, 3) of entailment, neutral and contradiction.

    One encoder pass and one decoder step an example; rows are shared over the workers and every
    worker has the whole result.
    """

    def score(states: EncoderStates) -> Tensor:
        return torch.log_softmax(model.label_logits(states), dim=-1)

    return _sharded(model, ids, score, 3, token_budget, workers, precision)


def sentence_embeddings(
    model: MlctlModel,
    ids: RaggedArray,
    *,
    token_budget: int,
    workers: Workers,
    precision: str = "fp32",
) -> NDArray[np.float32]:
    """Unprojected sentence vectors (N, D) with the model's pooling."""

    def score(states: EncoderStates) -> Tensor:
        return model.sentences(model.layers(states), states.mask_BL)

    width = int(model.backbone.config.d_model)
    return _sharded(model, ids, score, width, token_budget, workers, precision)


def _sharded(
    model: MlctlModel,
    ids: RaggedArray,
    score: Callable[[EncoderStates], Tensor],
    width: int,
    token_budget: int,
    workers: Workers,
    precision: str,
) -> NDArray[np.float32]:
    lengths = ids.lengths
    order = np.argsort(lengths, kind="stable")
    mine = order[workers.rank :: workers.size]
    result = np.zeros((len(ids), width), dtype=np.float32)
    was_training = model.training
    model.eval()
    pad = int(model.backbone.config.pad_token_id)
    with torch.inference_mode(), autocast(precision, workers.device):
        for cut in micro_batches(lengths[mine], token_budget):
            rows = mine[cut]
            input_ids, mask = pad_rows(ids, rows, pad)
            states = model.encode(input_ids.to(workers.device), mask.to(workers.device))
            result[rows] = score(states).float().cpu().numpy()
    model.train(was_training)
    if workers.size > 1:
        shares = workers.gather_objects((mine, result[mine]))
        for rows, values in shares:
            result[rows] = values
    return result
