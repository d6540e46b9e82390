"""``python -m mlctl_ray.train RUN.yaml``: one run with fixed hyperparameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .cli import command_errors, new_app

if TYPE_CHECKING:
    from .config import RunConfig
    from .evaluation.data import Split
    from .training.reports import Report
    from .training.run import RunResult

app = new_app()


@app.command()
def main(
    run: str = typer.Argument(..., metavar="RUN.yaml", help="The run's file."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Override a field by its dotted name; repeatable."
    ),
    output: Path = typer.Option(Path("runs/single"), help="Folder of checkpoint and artifacts."),
    test: bool = typer.Option(False, "--test", help="Evaluate on the test split at the end too."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the folder's checkpoint."),
    address: str | None = typer.Option(
        None, metavar="ADDR", help="A running Ray cluster, for runs of several workers."
    ),
    tracking_uri: str | None = typer.Option(
        None, metavar="URI", help="MLflow store; default MLFLOW_TRACKING_URI, else ./mlflow.db."
    ),
) -> None:
    """Train one configuration with the trainer that the search uses."""
    with command_errors():
        from .config import RunConfig, load_config

        config = load_config(RunConfig, run, assignments)
        result = train(
            config,
            output.resolve(),
            test=test,
            resume=resume,
            address=address,
            tracking_uri=tracking_uri,
        )
        for key in sorted(key for key in result.metrics if key.startswith(("val", "test"))):
            typer.echo(f"{key} {100 * result.metrics[key]:.2f}%")
        typer.echo(f"checkpoint: {result.folder / 'checkpoint'}")


def train(
    config: RunConfig,
    folder: Path,
    *,
    test: bool = False,
    resume: bool = False,
    address: str | None = None,
    tracking_uri: str | None = None,
) -> RunResult:
    """Train one configuration and keep it as a run of the experiment ``runs``.

    Args:
        folder: for the checkpoint and the artifacts; absolute.
        test: evaluate on the test split at the end too.
        resume: go on from the folder's checkpoint if there is one.
        address: a Ray cluster for several workers; one worker runs in this process.

    Raises:
        InputError: something is wrong with the input; nothing was started.
        TrialFailure: a loss or gradient is not finite.
    """
    from .config import flatten, plain
    from .tracking import RunState, Tracker, check_reachable, environment_record, resolve_uri

    uri = resolve_uri(tracking_uri)
    check_reachable(uri)
    splits: tuple[Split, ...] = ("validation", "test") if test else ("validation",)
    _check(config, splits)
    tracker = Tracker(uri, "runs")
    run = tracker.start_run(folder.name, flatten(plain(config)))

    def report(value: Report) -> None:
        tracker.log_metrics(run, value.metrics, value.step)

    state = RunState.FAILED
    try:
        tracker.log_text(run, json.dumps(environment_record(), indent=1), "environment.json")
        result = _execute(config, folder, splits, resume, address, report)
        for name in ("config.yaml", "predictions", "pairs"):
            path = folder / name
            if path.exists():
                tracker.log_artifacts(run, path, name if path.is_dir() else None)
        state = RunState.FINISHED
    finally:
        tracker.finish(run, state)
    return result


def _check(config: RunConfig, splits: Sequence[Split]) -> None:
    """Read and tokenise everything, so that wrong input ends here; the run finds it cached."""
    from .data.sources import check_sources
    from .model import read_backbone_config
    from .training.run import evaluation_data, training_data

    if config.model.name is not None:
        read_backbone_config(config.model.name)
    check_sources(config.data)
    data = training_data(config.data, config.model.text)
    data.check_batches(config)
    for split in splits:
        evaluation_data(config, data, split)


def _execute(
    config: RunConfig,
    folder: Path,
    splits: Sequence[Split],
    resume: bool,
    address: str | None,
    report: Callable[[Report], None],
) -> RunResult:
    from .training.ray_adapter import local_device, train_over_workers
    from .training.run import run_training

    if config.scaling.workers == 1:
        return run_training(
            config,
            folder,
            workers=local_device(config.scaling),
            splits=splits,
            report=report,
            resume=resume,
        )
    return train_over_workers(
        config, folder, splits=splits, resume=resume, address=address, report=report
    )


if __name__ == "__main__":
    app(prog_name="python -m mlctl_ray.train")
