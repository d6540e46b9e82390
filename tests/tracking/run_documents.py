"""Small run documents, in memory and as files that another process reads."""

from __future__ import annotations

import json
from pathlib import Path

from mlflow import MlflowClient

from mlctl_ray.tracking import Point, Role, RunDocument, RunState


def document(
    trial: int, steps: int = 0, status: RunState = RunState.RUNNING, /, **values: object
) -> RunDocument:
    """Trial number `trial` after `steps` evaluations; `values` replace fields."""
    content: dict[str, object] = {
        "name": f"trial-{trial:04d}",
        "role": Role.TRIAL,
        "number": trial,
        "variant": None,
        "seed": None,
        "params": {"seed": trial, "model.dropout": 0.1},
        "tags": {"kept": "yes"},
        "points": tuple(point(trial, step) for step in range(1, steps + 1)),
        "state": status,
        "error": None,
        "texts": {"config.yaml": f"seed: {trial}"},
        "artifacts": (),
    }
    return RunDocument(**{**content, **values})  # type: ignore[arg-type]


def point(number: int, step: int) -> Point:
    """Evaluation `step` of trial `number`; values and times are those of every process."""
    metrics = {"validation/xnli/mean": step / 100 + number, "train/loss/total": 1 / step}
    return Point(step, 1_700_000_000_000 + 1000 * step, metrics)


def write(folder: Path, number: int, steps: int, state: RunState) -> None:
    """Keep what `document(number, steps, state)` is made of."""
    partial = folder / f".trial-{number:04d}"
    partial.write_text(json.dumps([number, steps, state.value]))
    partial.replace(folder / f"trial-{number:04d}.json")


def read(folder: Path, name: str) -> RunDocument | None:
    """The document that `write` kept."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    number, steps, state = json.loads(path.read_text())
    return document(number, steps, RunState(state))


def held(uri: str, study: str) -> dict[str, list[tuple[int, float, int]]]:
    """(step, mean, time) of every run below a study, as stored, by name; fails on copies."""
    client = MlflowClient(uri)
    experiment = client.get_run(study).info.experiment_id
    found: dict[str, list[tuple[int, float, int]]] = {}
    for run in client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{study}'"):
        history = client.get_metric_history(run.info.run_id, "validation/xnli/mean")
        assert run.info.run_name not in found, f"two runs are called {run.info.run_name}"
        found[run.info.run_name] = [(p.step, p.value, p.timestamp) for p in history]
    return found


def expected(number: int, steps: int) -> list[tuple[int, float, int]]:
    """What `held` should give for a trial."""
    points = [point(number, step) for step in range(1, steps + 1)]
    return [(p.step, p.metrics["validation/xnli/mean"], p.time_ms) for p in points]
