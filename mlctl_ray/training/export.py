"""A trained model as a plain Hugging Face folder, which loads without this package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import RunConfig, TextFormat
from ..data.examples import LABELS
from ..data.tokenizer import TextTokenizer
from ..model import make_prompt, verbaliser_ids
from .checkpoint import open_checkpoint

_CARD = """\
---
library_name: transformers
pipeline_tag: text-classification
tags:
- nli
- cross-lingual
---

# NLI in one decoder step

A T5-family model that answers whether a premise entails a hypothesis. The three labels are the
first decoded piece: the answer's probability is the softmax over the pieces of {answers}.
`mlctl.json` holds the prompt, the pieces and the longest input.

| fact | value |
|---|---|
{facts}

## Use

```python
import json
from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

folder = Path(".")  # this folder
settings = json.loads((folder / "mlctl.json").read_text(encoding="utf-8"))
model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
text = settings["prompt"].format(
    premise="A man is playing a guitar.",
    hypothesis="A man is making music.",
    options=settings["options"],
)
ids = tokenizer(
    text, max_length=settings["max_length"], truncation=True, return_tensors="pt"
).input_ids
start = torch.tensor([[model.config.decoder_start_token_id]])
logits = model(input_ids=ids, decoder_input_ids=start).logits[0, 0, settings["label_ids"]]
print(dict(zip(settings["labels"], logits.softmax(-1).tolist())))
```
"""


def export_model(checkpoint: Path, target: Path, *, facts: Mapping[str, str]) -> Path:
    """Write the model of a checkpoint as a Hugging Face folder.

    The folder holds weights (safetensors), configuration, tokenizer, a model card and
    ``mlctl.json``: prompt, verbalisers and their pieces, label names, longest input. The
    contrastive heads are left out: no prediction uses them. It is written beside the target and
    put in its place in whole.

    Args:
        checkpoint: folder that training wrote.
        target: folder to write; what is there is replaced.
        facts: lines of the card's table, such as the study's name and the accuracies.

    Returns:
        The target.

    Raises:
        InputError: the folder is not a checkpoint.
    """
    model, tokenizer, config = open_checkpoint(checkpoint)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.backbone.save_pretrained(partial)
    tokenizer.save(partial)
    settings = json.dumps(_settings(config, tokenizer), indent=1, ensure_ascii=False)
    (partial / "mlctl.json").write_text(settings + "\n", encoding="utf-8")
    (partial / "README.md").write_text(_card(config.model.text, facts), encoding="utf-8")
    _replace(partial, target)
    return target


def _settings(config: RunConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    text = config.model.text
    return {
        "format": 1,
        "prompt": text.prompt,
        "options": make_prompt(replace(text, prompt="{options}"))("", ""),
        "verbalisers": list(text.verbalisers),
        "label_ids": list(verbaliser_ids(text, tokenizer)),
        "labels": list(LABELS),
        "max_length": config.data.max_length,
        "byte_level": tokenizer.byte_level,
    }


def _card(text: TextFormat, facts: Mapping[str, str]) -> str:
    def cell(value: str) -> str:
        return " ".join(value.split()).replace("|", "\\|")

    rows = "\n".join(f"| {cell(name)} | {cell(value)} |" for name, value in facts.items())
    answers = ", ".join(
        f"{word} ({label})" for word, label in zip(text.verbalisers, LABELS, strict=True)
    )
    return _CARD.replace("{answers}", answers).replace("{facts}", rows)


def _replace(partial: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)
