"""Checkpoints: a plain Hugging Face folder, the heads, the configuration, and the loop's state.

Layout: ``backbone/`` (save_pretrained and tokenizer), ``heads.safetensors``, ``config.yaml``,
``training.pt`` (step, optimiser) and ``rng-<rank>.pt``, both read with `weights_only`, and
``manifest.json``, written last. The generation before is kept beside it (generations.py).
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
from ..errors import InputError, StorageFailure
from ..evaluation.workers import Workers
from ..model import MlctlModel, build_backbone, verbaliser_ids
from .fence import UNFENCED, Fence, Superseded
from .generations import find_checkpoint, remove_checkpoints, strip_loop_state, swap_in
from .gradient_cache import RngState, replay, rng_state
from .manifest import write_manifest
from .storage import partial_path

__all__ = [
    "LoopState",
    "check_same_run",
    "find_checkpoint",
    "load_state",
    "load_weights",
    "open_checkpoint",
    "remove_checkpoints",
    "save_checkpoint",
    "strip_loop_state",
]


@dataclass(frozen=True, slots=True)
class LoopState:
    """Where a run stands: optimiser steps done, the optimiser, and running loss sums."""

    step: int
    optimiser: dict[str, Any]
    sums: dict[str, Any]
    device_hours: float = 0.0
    """Hours that the run has held devices; kept in the manifest."""


def save_checkpoint(
    folder: Path,
    model: MlctlModel,
    tokenizer: TextTokenizer,
    config: RunConfig,
    state: LoopState | None,
    workers: Workers = Workers(),  # noqa: B008 - frozen
    fence: Fence = UNFENCED,
) -> Path:
    """Write a checkpoint and swap it in whole; without a state it can only be evaluated.

    Rank 0 writes the model, every rank its own random state. If it fails the earlier generations
    are as they were and nothing is left of the new one.

    Raises:
        StorageFailure: the disk is full, or the folder cannot be written; in every worker.
        Superseded: another attempt has claimed the run's folder; in every worker.
    """
    partial = partial_path(folder, fence.token)
    first = workers.rank == 0
    try:
        with workers.together(), fence.writing(partial):
            if first:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
        with workers.together(), fence.writing(partial):
            if state is not None:
                _write_rng(partial, workers.rank)
            if first:
                _write_content(partial, model, tokenizer, config, state)
        with workers.together(), fence.writing(folder):
            if first:
                hours = state.device_hours if state is not None else 0.0
                write_manifest(partial, state.step if state is not None else None, hours)
                fence.check()
                swap_in(partial, folder)
    except (StorageFailure, Superseded):
        if first:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def _write_rng(folder: Path, rank: int) -> None:
    rng = rng_state()
    _save({"cpu": rng.cpu, "cuda": list(rng.cuda)}, folder / f"rng-{rank}.pt")


def _write_content(
    folder: Path,
    model: MlctlModel,
    tokenizer: TextTokenizer,
    config: RunConfig,
    state: LoopState | None,
) -> None:
    model.backbone.save_pretrained(folder / "backbone")
    tokenizer.save(folder / "backbone")
    heads = {name: value.contiguous() for name, value in model.heads.state_dict().items()}
    save_file(heads, folder / "heads.safetensors")
    (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    if state is not None:
        values = {"step": state.step, "optimiser": state.optimiser, "sums": state.sums}
        _save(values, folder / "training.pt")


def _save(values: dict[str, Any], path: Path) -> None:
    # Given a path, torch reports a full disk without the system's error.
    with path.open("wb") as file:
        torch.save(values, file)


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
