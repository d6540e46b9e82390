from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tiny_runs import tokenizer, tree
from transformers import BertConfig

HEAVY = ("torch", "ray", "mlflow", "transformers", "pandas", "numpy", "datasets", "optuna")


def command(module: str, *arguments: str, folder: Path, **environment: str) -> Any:
    place = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", f"mlctl_ray.{module}", *arguments],
        cwd=folder,
        env={**os.environ, **place, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def write_run(folder: Path, **overrides: Any) -> str:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(tree(folder / "cache", **overrides)))
    return str(path)


def assert_wrong_input(done: Any, *parts: str) -> None:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line, line
    assert done.stdout == ""


@pytest.mark.parametrize("module", ["train", "evaluate"])
def test_help_imports_nothing_heavy(module: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"from mlctl_ray.{module} import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert "Usage" in done.stdout or "usage" in done.stdout


@pytest.mark.slow
def test_a_run_is_trained_tracked_and_evaluated(tmp_path: Path) -> None:
    from mlctl_ray.tracking.client import mlflow_client

    run = write_run(tmp_path, optimisation__evaluate_every=2)
    done = command("train", run, "--output", "out", "--test", "--set", "seed=4", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("validation/embedded/de/accuracy ") for line in lines)
    assert any(line.startswith("test/embedded/mean_zero_shot ") for line in lines)
    assert lines[-1] == f"checkpoint: {tmp_path / 'out' / 'checkpoint'}"
    client = mlflow_client(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "runs"]
    (tracked,) = client.search_runs([experiment.experiment_id])
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["seed"] == "4"
    history = client.get_metric_history(tracked.info.run_id, "validation/embedded/de/accuracy")
    assert sorted(point.step for point in history) == [2, 3]
    names = {artifact.path for artifact in client.list_artifacts(tracked.info.run_id)}
    assert {"environment.json", "config.yaml", "predictions", "pairs"} <= names

    printed = [line for line in lines if line.startswith("validation/")]
    done = command("evaluate", "out/checkpoint", "--output", "measured", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [x for x in done.stdout.splitlines() if x.startswith("validation/")] == printed
    table = pd.read_parquet(tmp_path / "measured" / "predictions" / "validation.parquet")
    assert set(table["language"]) == {"en", "de", "zh"}

    done = command(
        "evaluate",
        "out/checkpoint",
        "--languages",
        "en, tr",
        "--split",
        "test",
        "--task",
        "t",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert any(x.startswith("test/t/tr/accuracy ") for x in done.stdout.splitlines())
    assert not any("/de/" in x for x in done.stdout.splitlines())
    done = command("evaluate", "out/checkpoint", "--languages", "en,xx", folder=tmp_path)
    assert_wrong_input(done, "'xx'")
    done = command("evaluate", "out/checkpoint", "--split", "dev", folder=tmp_path)
    assert_wrong_input(done, "--split", "'dev'", "validation, test")
    done = command("train", run, "--output", "out", "--resume", folder=tmp_path)
    assert_wrong_input(done, "seed: 0", "cannot go on")


def test_a_missing_file_or_checkpoint_is_one_line(tmp_path: Path) -> None:
    assert_wrong_input(command("train", "absent.yaml", folder=tmp_path), "absent.yaml")
    assert_wrong_input(command("evaluate", "absent", folder=tmp_path), "'absent'", "checkpoint")
    assert not (tmp_path / "mlflow.db").exists()


def nli_folder(folder: Path) -> Path:
    """Hub layout with a column that is not called `label`."""
    for language in ("en", "de", "zh"):
        (folder / language).mkdir(parents=True)
        rows = [{"premise": "a b", "hypothesis": "b", "gold": n % 3} for n in range(30)]
        for split in ("train", "validation", "test"):
            pd.DataFrame(rows).to_parquet(folder / language / f"{split}-00000-of-00001.parquet")
    configs = [
        {
            "config_name": language,
            "data_files": [
                {"split": s, "path": f"{language}/{s}-00000-of-00001.parquet"}
                for s in ("train", "validation", "test")
            ],
        }
        for language in ("en", "de", "zh")
    ]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return folder


@pytest.mark.parametrize(
    "case",
    ["language", "verbaliser", "server", "column", "batch", "bert", "key", "folder", "weight"],
)
def test_wrong_input_is_one_line_before_anything_starts(case: str, tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    overrides: dict[str, Any] = {}
    if case == "language":
        overrides, parts = {"data__nli__languages": ["en", "xx"]}, ("data.nli", "'xx'")
    elif case == "verbaliser":
        tokenizer().save(tmp_path / "flan")
        from tiny_runs import save_flan_like

        save_flan_like(tmp_path / "flan", tokenizer())
        overrides = {
            "model": {
                "name": str(tmp_path / "flan"),
                "verbalisers": ["entailment", "neutral", "no"],
            }
        }
        parts = ("model.verbalisers.0", "'entailment'", "one known piece")
    elif case == "server":
        environment = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
        parts = ("tracking uri", "http://127.0.0.1:9")
    elif case == "column":
        overrides = {
            "data__nli__path": str(nli_folder(tmp_path / "nli")),
            "data__retrieval": None,
            "data__parallel": None,
            "objective__levels": "none",
        }
        parts = ("data.nli.label_column", "'label'", "gold")
    elif case == "batch":
        overrides = {"optimisation__batch_size": 61}
        parts = ("optimisation.batch_size: 61", "60 training examples")
    elif case == "bert":
        BertConfig().save_pretrained(tmp_path / "bert")
        overrides, parts = {"model": {"name": str(tmp_path / "bert")}}, ("model.name", "'bert'")
    elif case == "key":
        overrides, parts = {"optimisation__stepz": 3}, ("optimisation.stepz", "steps")
    elif case == "folder":
        overrides = {"model": {"name": str(tmp_path / "absent")}}
        parts = ("model.name", "absent")
    else:
        overrides, parts = (
            {"objective__multi": {"weight": float("nan")}},
            ("objective.multi.weight",),
        )
    done = command("train", write_run(tmp_path, **overrides), folder=tmp_path, **environment)
    assert_wrong_input(done, *parts)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_run_that_fails_is_one_line_exit_code_1_and_tracked_as_failed(tmp_path: Path) -> None:
    from mlctl_ray.tracking.client import mlflow_client

    run = write_run(tmp_path, optimisation__learning_rate=1e30, optimisation__warmup_fraction=0.0)
    done = command("train", run, folder=tmp_path)
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "non-finite" in errors[0]
    assert "Traceback" not in done.stderr
    client = mlflow_client(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "runs"]
    (tracked,) = client.search_runs([experiment.experiment_id])
    assert tracked.info.status == "FAILED"
