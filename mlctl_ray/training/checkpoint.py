"""Checkpoints: a plain Hugging Face folder, the heads, the configuration, and the loop's state.

Layout: ``backbone/`` (save_pretrained and tokenizer), ``heads.safetensors``, ``config.yaml``,
``training.pt`` (step, optimiser) and ``rng-<rank>.pt``; the last two are read with `weights_only`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ..config import RunConfig, flatten, parse_yaml, plain, to_yaml, validate
from ..data.tokenizer import TextTokenizer, load_tokenizer
from ..errors import InputError
from ..evaluation.workers import Workers
from ..model import MlctlModel, build_backbone, verbaliser_ids
from .gradient_cache import RngState, replay, rng_state

_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class LoopState:
    """Where a run stands: optimiser steps done, the optimiser, and running loss sums."""

    step: int
    optimiser: dict[str, Any]
    sums: dict[str, Any]


def save_checkpoint(
    folder: Path,
    model: MlctlModel,
    tokenizer: TextTokenizer,
    config: RunConfig,
    state: LoopState | None,
    workers: Workers = Workers(),  # noqa: B008 - frozen
) -> Path:
    """Write a checkpoint and swap it in whole; without a state it can only be evaluated.

    Rank 0 writes the model, every rank its own random state.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    if workers.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    workers.barrier()
    if state is not None:
        rng = rng_state()
        torch.save({"cpu": rng.cpu, "cuda": list(rng.cuda)}, partial / f"rng-{workers.rank}.pt")
    if workers.rank == 0:
        model.backbone.save_pretrained(partial / "backbone")
        tokenizer.save(partial / "backbone")
        heads = {name: value.contiguous() for name, value in model.heads.state_dict().items()}
        save_file(heads, partial / "heads.safetensors")
        (partial / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        if state is not None:
            torch.save(
                {"step": state.step, "optimiser": state.optimiser, "sums": state.sums},
                partial / "training.pt",
            )
    workers.barrier()
    if workers.rank == 0:
        (partial / _COMPLETE).touch()
        _swap(partial, folder)
    workers.barrier()
    return folder


def _swap(partial: Path, folder: Path) -> None:
    """Put the new folder in the old one's place; at every moment one of the two is whole."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.replace(old)
    partial.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def find_checkpoint(folder: Path) -> Path | None:
    """The checkpoint at a place, or the one it was replacing when the process was killed."""
    for candidate in (folder, folder.with_name(f".{folder.name}.old")):
        if (candidate / _COMPLETE).is_file():
            return candidate
    return None


def check_same_run(folder: Path, config: RunConfig) -> None:
    """Refuse to go on from a checkpoint of another run.

    Raises:
        InputError: names the first field that differs; resources, evaluation and the place of the
            cache may.
    """
    before, now = (flatten(plain(value)) for value in (_read_config(folder), config))
    for name in sorted(before.keys() | now.keys()):
        if name.startswith(("scaling.", "evaluation.")) or name == "data.cache":
            continue
        if before.get(name) != now.get(name):
            raise InputError(
                f"{name}: {now.get(name)!r} cannot go on from the checkpoint {str(folder)!r}, "
                f"which was trained with {before.get(name)!r}"
            )


def _read_config(folder: Path) -> RunConfig:
    path = folder / "config.yaml"
    return validate(RunConfig, parse_yaml(path.read_text(encoding="utf-8"), path.name), str(path))


def load_weights(folder: Path, model: MlctlModel) -> None:
    """Load a checkpoint's weights into a model of the same configuration."""
    source = type(model.backbone).from_pretrained(folder / "backbone", dtype=torch.float32)
    model.backbone.load_state_dict(source.state_dict())
    model.heads.load_state_dict(load_file(folder / "heads.safetensors"))


def load_state(folder: Path, workers: Workers) -> LoopState:
    """Read the loop's state and set this rank's random state.

    Raises:
        InputError: the checkpoint has no state, or was written by another number of workers.
    """
    if not (folder / "training.pt").is_file():
        raise InputError(f"{folder}: has weights only, training cannot go on from it")
    written = len(list(folder.glob("rng-*.pt")))
    if written != workers.size:
        raise InputError(
            f"scaling.workers: {workers.size} cannot go on from a checkpoint of {written} workers"
        )
    rng = torch.load(folder / f"rng-{workers.rank}.pt", weights_only=True)
    with replay(RngState(cpu=rng["cpu"], cuda=tuple(rng["cuda"]))):
        state = torch.load(folder / "training.pt", weights_only=True, map_location=workers.device)
    return LoopState(state["step"], state["optimiser"], state["sums"])


def open_checkpoint(folder: str | Path) -> tuple[MlctlModel, TextTokenizer, RunConfig]:
    """A checkpoint as a model ready for evaluation.

    Raises:
        InputError: the folder is not a checkpoint of this package.
    """
    path = find_checkpoint(Path(folder).expanduser())
    if path is None:
        raise InputError(f"checkpoint: {str(folder)!r} is not a complete checkpoint folder")
    config = _read_config(path)
    tokenizer = load_tokenizer(str(path / "backbone"))
    saved = config.model.model_copy(update={"name": str(path / "backbone"), "scratch": None})
    backbone = build_backbone(saved, tokenizer)
    label_ids = verbaliser_ids(config.model.text, tokenizer)
    model = MlctlModel(backbone, config.model, label_ids, config.objective.active)
    model.heads.load_state_dict(load_file(path / "heads.safetensors"))
    return model.eval(), tokenizer, config
