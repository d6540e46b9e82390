"""Wrong input: one line, exit code 2, and nothing started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_study import Place, environment, refusal


@pytest.fixture
def nli(tmp_path: Path) -> Path:
    """NLI folders of three languages; German lacks a column, Turkish has no rows."""
    rows = pd.DataFrame({"premise": ["a b"] * 9, "hypothesis": ["a"] * 9, "label": [0, 1, 2] * 3})
    configs = []
    for language in ("en", "de", "tr"):
        (tmp_path / "nli" / language).mkdir(parents=True)
        table = rows.drop(columns="hypothesis") if language == "de" else rows
        files = []
        for split in ("train", "validation", "test"):
            path = f"{language}/{split}.parquet"
            (table.iloc[:0] if language == "tr" else table).to_parquet(tmp_path / "nli" / path)
            files.append({"split": split, "path": path})
        configs.append({"config_name": language, "data_files": files})
    card = f"---\n{yaml.safe_dump({'configs': configs})}---\n"
    (tmp_path / "nli" / "README.md").write_text(card, encoding="utf-8")
    return tmp_path / "nli"


CASES = {
    "no file": (("gone.yaml",), ("gone.yaml", "no such file")),
    "unknown key": (("tiny.yaml", "--set", "study.trails=3"), ("trails", "trials")),
    "unknown language": (
        ("tiny.yaml", "--set", "data.nli.languages=[en, xx]"),
        ("data.nli", "xx", "de"),
    ),
    "missing column": (
        ("tiny.yaml", "--set", "data.nli.path={nli}", "--set", "data.nli.languages=[en, de]"),
        ("hypothesis",),
    ),
    "empty split": (
        ("tiny.yaml", "--set", "data.nli.path={nli}", "--set", "data.nli.languages=[en, tr]"),
        ("data.nli", "no row"),
    ),
    "missing folder": (("tiny.yaml", "--set", "data.nli.path={nli}/gone"), ("data.nli.path",)),
    "NaN weight": (("tiny.yaml", "--set", "objective.sentence.weight=.nan"), ("weight", "nan")),
    "batch of one": (("tiny.yaml", "--set", "objective.batch_size=1"), ("objective.batch_size",)),
    "batch above the data": (
        ("tiny.yaml", "--set", "optimisation.batch_size=91"),
        ("optimisation.batch_size", "91", "90"),
    ),
    "several pieces": (
        ("tiny.yaml", "--set", "model.verbalisers=['it follows', maybe, 'no']"),
        ("verbalisers", "it follows"),
    ),
    "unreachable server": (
        ("tiny.yaml", "--tracking-uri", "http://127.0.0.1:9"),
        ("tracking uri", "127.0.0.1:9"),
    ),
    "never fits": (
        ("tiny.yaml", "--set", "scaling.cpus_per_worker=999"),
        ("scaling", "999", "never fits"),
    ),
    "variant outside the space": (
        ("tiny.yaml", "--set", "study.known=[ml-ctl-cz]"),
        ("study.known", "ml-ctl-cz"),
    ),
    "no study to warm-start from": (
        ("tiny.yaml", "--warm-start", "gone"),
        ("--warm-start", "gone"),
    ),
    "resume and warm start": (("tiny.yaml", "--resume", "--warm-start", "x"), ("give one",)),
    "nothing to replay": (("tiny.yaml", "--replay", "0"), ("no study 'tiny'",)),
    "database that is not there": (
        ("tiny.yaml", "--set", "study.optuna_storage=postgresql+nosuch://me:pw@host/db"),
        ("study.optuna_storage", "cannot be opened"),
    ),
    "limit on no measure": (
        ("tiny.yaml", "--set", "study.constraints={xx: {at_most: 1}}"),
        ("study.constraints.xx", "device_hours", "tr"),
    ),
    "money without a price": (
        ("tiny.yaml", "--set", "study.max_cost=5"),
        ("study.max_cost", "study.price_per_device_hour"),
    ),
    "nothing to resume": (("tiny.yaml", "--resume"), ("--resume", "no study 'tiny'")),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_one_line_and_starts_nothing(
    case: str, place: Place, nli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    arguments, words = CASES[case]
    line = refusal(*(argument.replace("{nli}", str(nli)) for argument in arguments))
    assert [word for word in words if word not in line] == [], line
    assert sorted(path.name for path in place.folder.iterdir()) == ["nli", "tiny.yaml"]


def test_command_itself_gives_the_code(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlctl_ray.search", "gone.yaml"],
        cwd=place.folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: gone.yaml: no such file\n"
    assert [path.name for path in place.folder.iterdir()] == ["tiny.yaml"]
