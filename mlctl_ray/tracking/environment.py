"""What a run ran on: versions, machine and source commit, without names or secrets."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = (
    "torch",
    "ray",
    "transformers",
    "tokenizers",
    "datasets",
    "optuna",
    "mlflow",
    "numpy",
)


def environment_record() -> dict[str, Any]:
    """JSON-serialisable record of the calling process's environment.

    Holds no environment variable, host name, user name or path.
    """
    from mlctl_ray import __version__

    commit = git_commit()
    return {
        "mlctl_ray": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": {"count": os.cpu_count(), "model": _cpu_model()},
        "gpus": _gpus(),
        "git": {"commit": commit, "modified": _git("status", "--porcelain") != ""}
        if commit
        else None,
    }


def git_commit() -> str | None:
    """Commit of the working directory, None outside of a repository or without git."""
    return _git("rev-parse", "--verify", "HEAD") or None


def _git(*arguments: str) -> str | None:
    import subprocess

    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [git, *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
