"""The trained model: a T5, a head a level, and NLI scored in one decoder step.

Shapes: B rows, L pieces, D width, N words, 3 labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel

from ..config import Level, ModelConfig
from .pooling import EncoderStates, pooled_layers, sentence_vectors, span_vectors


def _scales_outputs(config: PretrainedConfig) -> bool:
    """Whether the family's forward pass scales the decoder's output by width^-0.5.

    T5 1.0 does, T5 1.1 and mT5 do not; umT5 does in transformers.
    """
    if config.model_type == "mt5":
        return False
    return bool(getattr(config, "scale_decoder_outputs", config.tie_word_embeddings))


class ProjectionHead(nn.Module):
    """ML-CTL's head z = W2 ReLU(W1 x + b1) + b2 with square matrices (method.md, 1.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, width) -> (N, width)."""
        projected: Tensor = self.outer(functional.relu(self.inner(vectors)))
        return projected


class MlctlModel(nn.Module):
    """A T5 backbone with one projection head for each active contrastive level.

    Args:
        backbone: a T5-family sequence-to-sequence model.
        config: pooling, projection and prompt.
        label_ids: the verbalisers' pieces (entailment, neutral, contradiction).
        levels: contrastive levels that take part.
    """

    label_ids_3: Tensor

    def __init__(
        self,
        backbone: PreTrainedModel,
        config: ModelConfig,
        label_ids: tuple[int, int, int],
        levels: Sequence[Level] = (),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = config.pooling
        width = backbone.config.d_model
        self.heads = nn.ModuleDict(
            {
                level: ProjectionHead(2 * width if level == "multi" else width)
                if config.projection == "mlp"
                else nn.Identity()
                for level in levels
            }
        )
        self.register_buffer("label_ids_3", torch.tensor(label_ids), persistent=False)

    def encode(self, input_ids_BL: Tensor, mask_BL: Tensor) -> EncoderStates:
        """One encoder pass."""
        output = self.backbone.get_encoder()(
            input_ids=input_ids_BL, attention_mask=mask_BL, output_hidden_states=True
        )
        return EncoderStates(output.hidden_states[1], output.last_hidden_state, mask_BL)

    def label_logits(self, states: EncoderStates) -> Tensor:
        """Logits (B, 3) of the three verbalisers at the first decoding step, in float32.

        Only the three rows of the output matrix are multiplied: with single-piece answers of one
        step this ranks as rank classification over the whole strings does (method.md, 6c).
        """
        config = self.backbone.config
        start_B1 = torch.full(
            (len(states.mask_BL), 1), config.decoder_start_token_id, device=states.mask_BL.device
        )
        hidden_BD = self.backbone.get_decoder()(
            input_ids=start_B1,
            encoder_hidden_states=states.last_BLD,
            encoder_attention_mask=states.mask_BL,
            use_cache=False,
        ).last_hidden_state[:, 0]
        if _scales_outputs(config):
            hidden_BD = hidden_BD * config.d_model**-0.5
        head = self.backbone.get_output_embeddings()
        return functional.linear(hidden_BD, head.weight[self.label_ids_3]).float()

    def denoising_loss(self, input_ids_BL: Tensor, mask_BL: Tensor, targets_BT: Tensor) -> Tensor:
        """Sum over target pieces of T5's cross-entropy; targets are -100 at padding."""
        logits = self.backbone(
            input_ids=input_ids_BL, attention_mask=mask_BL, labels=targets_BT
        ).logits
        return functional.cross_entropy(
            logits.flatten(0, 1).float(), targets_BT.flatten(), ignore_index=-100, reduction="sum"
        )

    def layers(self, states: EncoderStates) -> Tensor:
        """The (B, L, D) states that every vector of these rows is pooled from."""
        return pooled_layers(states, self.pooling)

    def sentences(self, layers_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Unprojected sentence vectors (B, D)."""
        return sentence_vectors(layers_BLD, mask_BL, self.pooling)

    def words(self, layers_BLD: Tensor, row_N: Tensor, begin_N: Tensor, end_N: Tensor) -> Tensor:
        """Unprojected word vectors (N, D)."""
        return span_vectors(layers_BLD, row_N, begin_N, end_N)

    def project(self, level: Level, vectors: Tensor) -> Tensor:
        """A level's head on its vectors: (N, D), or (N, 2D) for the multi level."""
        projected: Tensor = self.heads[level](vectors)
        return projected
