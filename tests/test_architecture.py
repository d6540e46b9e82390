"""The house rules that a test can hold: layers, seams, file sizes (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mlctl_ray"
RANK = {
    "config": 0,
    "data": 1,
    "objective": 2,
    "model": 2,
    "evaluation": 3,
    "training": 4,
    "tracking": 5,
    "search": 6,
    "report": 6,
    "cluster": 6,
}
SEAMS = {
    "ray": {"training/ray_adapter.py", "search", "cluster"},
    "optuna": {"search", "report"},
    "mlflow": {"tracking"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Absolute names of the modules that a file imports anywhere."""
    names: set[str] = set()
    package = ("mlctl_ray", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            names.add(".".join(part for part in (base, node.module) if part))
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_point_downwards(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "mlctl_ray" and len(parts) > 1 and here in RANK and parts[1] in RANK:
            assert parts[1] == here or RANK[parts[1]] < RANK[here], f"{here} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_engines_stay_behind_their_seams(path: Path) -> None:
    inside = path.relative_to(PACKAGE)
    for name in imports(path):
        allowed = SEAMS.get(name.split(".")[0])
        if allowed is not None:
            assert inside.parts[0] in allowed or inside.as_posix() in allowed, name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450
