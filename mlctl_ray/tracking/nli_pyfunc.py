"""NLI as an MLflow model, from a folder that `mlctl_ray.training.export` wrote.

MLflow keeps a copy of this file with every registered model and runs it wherever the model is
loaded, so it needs mlflow, torch, transformers and pandas, and nothing of mlctl_ray.

Shapes: B rows, L pieces, 3 labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

ROWS = 64
BYTE_OFFSET = 3
"""ByT5 gives the UTF-8 byte b the id b + 3."""


class NliModel(PythonModel):
    """Scores (premise, hypothesis) by one decoder step over the answers' single pieces."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model's folder."""
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        folder = Path(context.artifacts["model"])
        self.settings = json.loads((folder / "mlctl.json").read_text(encoding="utf-8"))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32)
        self.model = model.to(self.device).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Label and probabilities of each row.

        Args:
            model_input: text columns `premise` and `hypothesis`.

        Returns:
            Columns `label` and one for each label's probability, by the rows of the input.
        """
        settings = self.settings
        template, options = settings["prompt"], settings["options"]
        rows = [
            self._encode(template.format(premise=premise, hypothesis=hypothesis, options=options))
            for premise, hypothesis in zip(
                model_input["premise"], model_input["hypothesis"], strict=True
            )
        ]
        # Rows of like length together, so that little is padding.
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        scores_N3 = torch.zeros(len(rows), 3)
        for begin in range(0, len(rows), ROWS):
            batch = order[begin : begin + ROWS]
            scores_N3[batch] = self._probabilities([rows[row] for row in batch])
        result = pd.DataFrame(
            scores_N3.double().numpy(), columns=settings["labels"], index=model_input.index
        )
        labels = [settings["labels"][best] for best in scores_N3.argmax(-1).tolist()]
        result.insert(0, "label", pd.Series(labels, index=model_input.index, dtype=object))
        return result

    def _encode(self, text: str) -> list[int]:
        longest = self.settings["max_length"] - 1
        if self.settings["byte_level"]:
            ids = [byte + BYTE_OFFSET for byte in text[:longest].encode()]
        else:
            ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return [*ids[:longest], self.tokenizer.eos_token_id]

    def _probabilities(self, rows: list[list[int]]) -> torch.Tensor:
        """(B, 3) probabilities of the labels."""
        config = self.model.config
        width = max(map(len, rows))
        ids_BL = torch.full((len(rows), width), config.pad_token_id)
        mask_BL = torch.zeros(len(rows), width, dtype=torch.long)
        for row, pieces in enumerate(rows):
            ids_BL[row, : len(pieces)] = torch.tensor(pieces)
            mask_BL[row, : len(pieces)] = 1
        start_B1 = torch.full((len(rows), 1), config.decoder_start_token_id)
        with torch.inference_mode():
            logits = self.model(
                input_ids=ids_BL.to(self.device),
                attention_mask=mask_BL.to(self.device),
                decoder_input_ids=start_B1.to(self.device),
                use_cache=False,
            ).logits[:, 0, self.settings["label_ids"]]
        return torch.softmax(logits.float(), dim=-1).cpu()


set_model(NliModel())
