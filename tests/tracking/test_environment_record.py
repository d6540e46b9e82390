"""The environment record: what ran, and nothing about who or where."""

from __future__ import annotations

import getpass
import json
import platform
import socket
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from mlctl_ray.tracking.environment import environment_record, git_commit


def test_versions_and_machine() -> None:
    record = environment_record()
    assert json.loads(json.dumps(record)) == record
    assert record["python"] == platform.python_version()
    for name in ("torch", "ray", "transformers", "optuna", "mlflow", "datasets"):
        assert record["packages"][name] == metadata.version(name)
    assert record["cpu"]["count"] >= 1
    assert record["cpu"]["model"]


def test_gpus_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    assert environment_record()["gpus"] == ["GPU 0", "GPU 1"]


def test_nothing_personal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2-secret")
    values = set(_leaves(environment_record()))
    assert not values & {socket.gethostname(), getpass.getuser(), "hunter2-secret"}
    assert not any(str(Path.cwd()) in value or str(Path.home()) + "/" in value for value in values)


def test_git_commit_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None
    assert environment_record()["git"] is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    assert git_commit() is None
    git("commit", "-q", "--no-verify", "--allow-empty", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert environment_record()["git"] == {"commit": commit, "modified": False}
    (tmp_path / "new.txt").write_text("x")
    assert environment_record()["git"] == {"commit": commit, "modified": True}


def _leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]
