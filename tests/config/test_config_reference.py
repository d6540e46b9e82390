"""The schema and its reference are seen in a diff; reading a configuration imports little."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mlctl_ray.config import StudyConfig, flatten, parse_yaml, plain, validate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "scripts" / "configuration_reference.py"
    spec = importlib.util.spec_from_file_location("configuration_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_is_the_one_that_was_agreed(generator: ModuleType) -> None:
    kept = (ROOT / "tests" / "config" / "schema.json").read_text(encoding="utf-8")
    assert generator.schema_text() == kept, (
        "the YAML schema has changed; if that is meant, run `make schema docs`, look at the diff "
        "and name the change in CHANGELOG.md"
    )


def test_the_reference_is_current(generator: ModuleType) -> None:
    kept = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert generator.reference() == kept, "run `make docs`"


def test_the_reference_has_every_field_with_a_meaning(generator: ModuleType) -> None:
    text = generator.reference()
    tree = {"study": {"name": "s", "space": {"seed": {"type": "int", "low": 1, "high": 2}}}}
    tree["model"] = {"scratch": {}}
    leaves = list(flatten(plain(validate(StudyConfig, tree, "test"))))
    assert len(leaves) > 80
    for name in leaves:
        if not name.startswith("study.space."):
            assert f"| `{name.rsplit('.', 1)[-1]}` |" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert not [row for row in rows if row.endswith("|  |")]


def test_the_example_of_the_reference_is_valid(generator: ModuleType) -> None:
    text = generator.reference()
    tree = parse_yaml(text.split("```yaml\n")[1].split("```")[0], "example")
    tree["study"]["name"] = "s"
    assert len(validate(StudyConfig, tree, "example").study.space) == 5


def test_every_shipped_space_is_valid() -> None:
    files = sorted((ROOT / "search_spaces").glob("*.yaml"))
    assert files
    for file in files:
        tree = parse_yaml(file.read_text(encoding="utf-8"), file.name)
        assert validate(StudyConfig, tree, file.name).study.name


def test_reading_a_configuration_imports_no_engine() -> None:
    program = (
        "import sys, mlctl_ray.config\n"
        "engines = {'torch', 'ray', 'transformers', 'datasets', 'optuna', 'mlflow', 'pandas'}\n"
        "print(sorted(engines & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
