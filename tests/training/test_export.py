"""An exported model is a plain Hugging Face folder with the same answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_inference import label_logits
from tiny_checkpoints import KINDS, Kind, save_tiny_checkpoint

from mlctl_ray.data.sources import load_nli
from mlctl_ray.errors import InputError
from mlctl_ray.model import make_prompt
from mlctl_ray.training.checkpoint import open_checkpoint
from mlctl_ray.training.export import export_model

FACTS = {"study": "demo", "zero-shot languages": "de,\nzh", "odd": "a|b"}


def exported(tmp_path: Path, kind: Kind) -> tuple[Path, list[tuple[str, str]], list[list[float]]]:
    """An exported folder, rows to ask for, and the logits that the checkpoint gives for them."""
    checkpoint = save_tiny_checkpoint(tmp_path, kind)
    folder = export_model(checkpoint, tmp_path / "best", facts=FACTS)
    model, tokenizer, config = open_checkpoint(checkpoint)
    rows = [
        (example.premise, example.hypothesis)
        for language in ("en", "zh")
        for example in load_nli(config.data.nli, language, "validation", seed=0)[:6]
    ]
    rows.append(("the cat sees the dog " * 20, "no dog"))
    prompt = make_prompt(config.model.text)
    encoded = tokenizer.encode([prompt(*row) for row in rows], config.data.max_length)
    assert max(len(row.ids) for row in encoded) == config.data.max_length
    logits = []
    with torch.inference_mode():
        for row in encoded:
            ids = torch.tensor([row.ids])
            states = model.encode(ids, torch.ones_like(ids))
            logits.append(model.label_logits(states)[0].tolist())
    assert np.ptp(logits, axis=0).max() > 0.05
    return folder, rows, logits


@pytest.mark.parametrize("kind", KINDS)
def test_plain_transformers_gives_the_same_logits(kind: Kind, tmp_path: Path) -> None:
    folder, rows, logits = exported(tmp_path, kind)
    np.testing.assert_allclose(label_logits(folder, rows), logits, atol=1e-5)


@pytest.mark.slow
def test_another_process_needs_nothing_of_this_package(tmp_path: Path) -> None:
    folder, rows, logits = exported(tmp_path, "scratch")
    script = Path(__file__).with_name("plain_inference.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), logits, atol=1e-5)


def test_the_folder_holds_what_a_model_needs_and_no_local_path(tmp_path: Path) -> None:
    checkpoint = save_tiny_checkpoint(tmp_path, "flan")
    folder = export_model(checkpoint, tmp_path / "best", facts=FACTS)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert not {"heads.safetensors", "training.pt", "config.yaml"} & names
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| study | demo |\n| zero-shot languages | de, zh |\n| odd | a\\|b |\n" in card
    assert "yes (entailment), maybe (neutral), no (contradiction)" in card
    settings = json.loads((folder / "mlctl.json").read_text(encoding="utf-8"))
    assert settings["options"] == "OPTIONS:\n- yes\n- maybe\n- no"
    assert (settings["max_length"], settings["byte_level"]) == (48, False)
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.slow
def test_the_example_of_the_card_runs_in_the_folder(tmp_path: Path) -> None:
    folder = export_model(save_tiny_checkpoint(tmp_path, "flan"), tmp_path / "best", facts={})
    card = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"\{'entailment': .*, 'neutral': .*, 'contradiction': .*\}", shown)


def test_an_export_replaces_the_one_before_in_whole(tmp_path: Path) -> None:
    checkpoint = save_tiny_checkpoint(tmp_path, "scratch")
    folder = export_model(checkpoint, tmp_path / "best", facts={})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "left over").write_text("old")
    partial = folder.with_name(".best.partial")
    partial.mkdir()
    (partial / "half").write_text("of a killed export")
    assert export_model(checkpoint, folder, facts={}) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "cache", "checkpoint"]


def test_a_folder_that_is_no_checkpoint_leaves_the_target(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "kept").touch()
    with pytest.raises(InputError, match="checkpoint"):
        export_model(tmp_path / "absent", tmp_path / "best", facts={})
    assert (tmp_path / "best" / "kept").exists()
