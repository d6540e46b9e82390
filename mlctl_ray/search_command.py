"""The command ``python -m mlctl_ray.search``: a study, then its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .cli import command_errors, new_app

if TYPE_CHECKING:
    from .config import StudyConfig

DEMO = "search_spaces/demo.yaml"
app = new_app()


@app.command()
def search(
    study: str = typer.Argument(DEMO, metavar="[STUDY.yaml]", help="The study's file."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Override a field by its dotted name; repeatable."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Check everything offline and print the plan; start no trial."
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on with the study of this name."),
    warm_start: str | None = typer.Option(
        None, metavar="OLD", help="Begin a study whose sampler knows the results of study OLD."
    ),
    replay: int | None = typer.Option(
        None, metavar="N", help="Run trial N of the study again and compare its numbers."
    ),
    address: str | None = typer.Option(
        None, metavar="ADDR", help="A running Ray cluster; default RAY_ADDRESS, else this machine."
    ),
    tracking_uri: str | None = typer.Option(
        None, metavar="URI", help="MLflow store; default MLFLOW_TRACKING_URI, else ./mlflow.db."
    ),
    output: Path = typer.Option(Path("reports"), help="Folder of the reports."),
) -> None:
    """Run a study: Ray Tune with Optuna, every trial in MLflow, then its report."""
    with command_errors():
        from .config import StudyConfig, load_config

        config = load_config(StudyConfig, _find(study), assignments)
        if dry_run:
            _plan(config, address)
        elif replay is not None:
            _replay(config, replay)
        else:
            _run(config, resume, warm_start, address, tracking_uri, output)


def _find(study: str) -> Path:
    """The file, or for the demo the one beside the package when run from another folder."""
    path = Path(study)
    shipped = Path(__file__).resolve().parents[1] / study
    return shipped if study == DEMO and not path.is_file() and shipped.is_file() else path


def _plan(config: StudyConfig, address: str | None) -> None:
    from rich.console import Console

    from .search.checks import check_offline
    from .search.plan import make_plan, this_machine
    from .search.report_lines import print_plan

    check_offline(config)
    if address is None:
        nodes: tuple = (this_machine(),)  # type: ignore[type-arg]
    else:
        from .search.cluster import connected

        with connected(address) as found:
            nodes = found
    print_plan(Console(), config, make_plan(config, nodes))


def _run(
    config: StudyConfig,
    resume: bool,
    warm_start: str | None,
    address: str | None,
    tracking_uri: str | None,
    output: Path,
) -> None:
    from rich.console import Console

    from .report import build_report
    from .search.report_lines import print_result
    from .search.study import run_study

    console = Console()
    result = run_study(
        config,
        resume=resume,
        warm_start=warm_start,
        address=address,
        tracking_uri=tracking_uri,
        console=console,
    )
    files = build_report(result.name, tracking_uri=result.tracking_uri, output=output)
    print_result(console, config, result)
    for line in (
        *((f"best model: {result.model}, and {result.folder}/best",) if result.model else ()),
        f"browse the runs: mlflow ui --backend-store-uri {result.tracking_uri}",
        f"report: {files.html}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _replay(config: StudyConfig, number: int) -> None:
    from .search.replay import replay_trial

    replayed = replay_trial(config, number, say=typer.echo)
    typer.echo(replayed.line)
    if not replayed.same:
        raise SystemExit(1)
