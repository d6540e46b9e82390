"""The command ``python -m mlctl_ray.report [STUDY]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..cli import command_errors, new_app
from .build import build_report

app = new_app()


@app.command()
def report(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="Name of the study; the newest of the tracking store when left out.",
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="MLflow tracking URI; default MLFLOW_TRACKING_URI, else mlflow.db here."),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder that gets a folder of the study's name.")
    ] = Path("reports"),
) -> None:
    """Write the report of a study: index.html, report.md, report.json, tables and figures."""
    with command_errors():
        files = build_report(study, tracking_uri=tracking_uri, output=output)
        typer.echo(files.headline)
        typer.echo(f"report: {files.html}")


def main() -> None:
    """Entry point; exit code 0 done, 1 failed, 2 wrong input."""
    app(prog_name="python -m mlctl_ray.report")
