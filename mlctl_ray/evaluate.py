"""``python -m mlctl_ray.evaluate CHECKPOINT``: zero-shot evaluation of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .cli import command_errors, new_app

if TYPE_CHECKING:
    from .evaluation.evaluate import Evaluation

app = new_app()


@app.command()
def main(
    checkpoint: str = typer.Argument(..., help="Folder of a checkpoint of this package."),
    data: str | None = typer.Option(
        None, help="Hub id or folder of the NLI data; the checkpoint's own when not given."
    ),
    languages: str | None = typer.Option(
        None, help="Languages, separated by commas; the checkpoint's own when not given."
    ),
    split: str = typer.Option("validation", help="validation or test."),
    task: str | None = typer.Option(None, help="Name of the task in metric keys."),
    pairs: int | None = typer.Option(
        None, help="Aligned examples of the pair matrix; 0 leaves it out."
    ),
    output: Path | None = typer.Option(None, help="Folder for predictions and pair matrix."),
) -> None:
    """Evaluate a checkpoint on every language: accuracy, pair matrix, retrieval."""
    with command_errors():
        names = tuple(name.strip() for name in languages.split(",")) if languages else None
        result = evaluate(
            checkpoint, data=data, languages=names, split=split, task=task, pairs=pairs
        )
        for key, value in sorted(result.metrics.items()):
            typer.echo(f"{key} {100 * value:.2f}%")
        if output is not None:
            result.write(output)
            typer.echo(f"predictions: {output / 'predictions' / f'{split}.parquet'}")


def evaluate(
    checkpoint: str | Path,
    *,
    data: str | None = None,
    languages: tuple[str, ...] | None = None,
    split: str = "validation",
    task: str | None = None,
    pairs: int | None = None,
) -> Evaluation:
    """Evaluate a checkpoint.

    Args:
        checkpoint: folder that training wrote.
        data: hub id or folder of NLI data; default the checkpoint's own.
        languages: default the checkpoint's own; the source language must be among them.
        split: `validation` or `test`.
        task: name of the task in metric keys.
        pairs: aligned examples of the pair matrix; 0 leaves it out, as unaligned data need.

    Raises:
        InputError: not a checkpoint, or data that cannot be read.
    """
    import torch

    from .config import RunConfig, apply_overrides, plain, validate
    from .errors import InputError
    from .evaluation.data import load_evaluation_data
    from .evaluation.evaluate import evaluate_model
    from .evaluation.workers import Workers
    from .model import make_prompt
    from .training.checkpoint import open_checkpoint

    if split not in ("validation", "test"):
        raise InputError(f"--split: {split!r} is wrong; allowed: validation, test")
    model, tokenizer, config = open_checkpoint(checkpoint)
    given = {
        "data.nli.path": data,
        "data.nli.languages": None if languages is None else list(languages),
        "evaluation.task": task,
        "evaluation.pair_matrix_size": pairs,
    }
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not set(languages or ()) <= set(config.data.nli.languages):
        overrides["data.retrieval"] = None
    what = "--data, --languages, --task, --pairs"
    config = validate(RunConfig, apply_overrides(plain(config), overrides, what=what), what)
    prepared = load_evaluation_data(
        config.data,
        tokenizer,
        make_prompt(config.model.text),
        "validation" if split == "validation" else "test",
        task=config.task,
        pair_matrix_size=config.evaluation.pair_matrix_size,
    )
    workers = Workers(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return evaluate_model(
        model.to(workers.device),
        prepared,
        config.evaluation,
        workers=workers,
        precision=config.optimisation.precision,
    )


if __name__ == "__main__":
    app(prog_name="python -m mlctl_ray.evaluate")
