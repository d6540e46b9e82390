"""The best model in MLflow's registry answers as `mlctl_ray.evaluate` does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tiny_checkpoints import KINDS, Kind, save_tiny_checkpoint

from mlctl_ray.data.sources import load_nli
from mlctl_ray.errors import InputError
from mlctl_ray.evaluate import evaluate
from mlctl_ray.tracking import RunState, Tracker, register_model
from mlctl_ray.tracking.uri import sqlite_uri
from mlctl_ray.training.checkpoint import open_checkpoint
from mlctl_ray.training.export import export_model

NewName = Callable[[], str]
EXAMPLE = [("A man is playing a guitar.", "A man is making music.")]
LABELS = ["entailment", "neutral", "contradiction"]


@pytest.fixture
def plain_store(empty_database: Path, tmp_path: Path) -> str:
    """A SQLite file in a folder without odd characters, which MLflow itself cannot load from."""
    return sqlite_uri(Path(shutil.copy(empty_database, tmp_path / "mlflow.db")))


@pytest.fixture(params=["plain", "server"])
def store(request: pytest.FixtureRequest) -> str:
    uri: str = request.getfixturevalue(f"{request.param}_store")
    return uri


def export(tmp_path: Path, kind: Kind = "scratch") -> Path:
    return export_model(save_tiny_checkpoint(tmp_path, kind), tmp_path / "best", facts={})


def new_study(store: str, name: str) -> str:
    tracker = Tracker(store, name)
    study = tracker.start_study({})
    tracker.finish(study, RunState.FINISHED)
    return study


def register(store: str, name: str, folder: Path, run: str) -> str:
    tags = {"mlctl.trial": "3"}
    return register_model(store, name=name, folder=folder, run_id=run, tags=tags, example=EXAMPLE)


def load(store: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        return mlflow.pyfunc.load_model(uri)
    finally:
        mlflow.set_tracking_uri(before)


def evaluated(tmp_path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `evaluate` predicts, and the examples' texts in the same order."""
    checkpoint = tmp_path / "checkpoint"
    config = open_checkpoint(checkpoint)[2]
    found = evaluate(checkpoint, pairs=0).predictions
    rows = [
        (example.premise, example.hypothesis)
        for language in config.data.nli.languages
        for example in load_nli(config.data.nli, language, "validation", seed=config.data.seed)
    ]
    return found, pd.DataFrame(rows, columns=["premise", "hypothesis"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_answers_as_evaluate_does(
    kind: Kind,
    plain_store: str,
    new_name: NewName,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = new_name()
    uri = register(plain_store, name, export(tmp_path, kind), new_study(plain_store, name))
    expected, texts = evaluated(tmp_path)
    texts.index = texts.index + 100
    found = load(plain_store, uri, monkeypatch).predict(texts)
    assert list(found.columns) == ["label", *LABELS]
    assert list(found.index) == list(texts.index)
    probabilities = np.exp(expected[[f"logp_{label}" for label in LABELS]].to_numpy())
    np.testing.assert_allclose(found[LABELS].to_numpy(), probabilities, atol=1e-5)
    assert np.ptp(probabilities, axis=0).max() > 0.01
    assert list(found["label"]) == [LABELS[index] for index in expected["predicted"]]


def test_versions(store: str, new_name: NewName, tmp_path: Path) -> None:
    name = new_name()
    study, folder = new_study(store, name), export(tmp_path)
    first = register(store, f"mlctl/{name}", folder, study)
    assert first == f"models:/mlctl-{name}/1"
    # Again after a resume: the same files for the same run.
    assert register(store, f"mlctl/{name}", folder, study) == first
    (folder / "README.md").write_text("another card")
    second = register(store, f"mlctl/{name}", folder, study)
    assert second == f"models:/mlctl-{name}/2"
    again = new_study(store, name)
    assert register(store, f"mlctl/{name}", folder, again) == f"models:/mlctl-{name}/3"
    assert register(store, f"mlctl/{name}", folder, study) == second

    client = MlflowClient(store)
    version = client.get_model_version(f"mlctl-{name}", "1")
    assert (version.run_id, version.tags["mlctl.trial"]) == (study, "3")
    logged = [
        client.get_logged_model(output.model_id)
        for output in client.get_run(study).outputs.model_outputs
    ]
    assert [model.status.name for model in logged] == ["READY", "READY"]
    shown = sorted(json.loads(model.tags["mlflow.modelVersions"])[0]["version"] for model in logged)
    assert shown == ["1", "2"]


def test_nothing_is_pickled(plain_store: str, new_name: NewName, tmp_path: Path) -> None:
    name = new_name()
    register(plain_store, name, export(tmp_path), new_study(plain_store, name))
    from mlflow.artifacts import download_artifacts

    source = MlflowClient(plain_store).get_model_version(name, "1").source
    folder = Path(download_artifacts(source, dst_path=str(tmp_path / "model")))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "nli_pyfunc.py", "requirements.txt"} <= files
    assert not any(name.endswith((".pkl", ".pickle", ".pt")) for name in files)
    assert "mlctl" not in (folder / "requirements.txt").read_text()
    code = (folder / "nli_pyfunc.py").read_text()
    assert "import mlctl_ray" not in code
    assert "from mlctl_ray" not in code


def test_a_folder_that_was_not_exported(
    plain_store: str, new_name: NewName, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"has no mlctl\.json"):
        register(plain_store, new_name(), tmp_path, "0" * 32)


PREDICT = """
import sys
import mlflow, pandas
rows = pandas.DataFrame([["a cat sleeps", "no cat"]], columns=["premise", "hypothesis"])
found = mlflow.pyfunc.load_model(sys.argv[1]).predict(rows)
assert not any(name.startswith("mlctl") for name in sys.modules)
print(found.to_json(orient="records"))
"""


@pytest.mark.slow
def test_another_process_loads_and_serves_it(store: str, new_name: NewName, tmp_path: Path) -> None:
    name = new_name()
    uri = register(store, name, export(tmp_path, "flan"), new_study(store, name))
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    (loaded,) = json.loads(run("-c", PREDICT, uri).stdout.splitlines()[-1])
    assert loaded["label"] in LABELS
    assert sum(loaded[label] for label in LABELS) == pytest.approx(1)

    row = {"premise": "a cat sleeps", "hypothesis": "no cat"}
    (tmp_path / "in.json").write_text(json.dumps({"dataframe_records": [row]}))
    command = ["models", "predict", "-m", uri, "--env-manager", "local"]
    run("-m", "mlflow", *command, "-i", "in.json", "-o", "out.json", "-t", "json")
    (served,) = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert served == pytest.approx(loaded, abs=1e-6)
