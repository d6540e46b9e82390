"""A YAML file and assignments in, one validated object out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import InputError
from .explain import explain
from .yaml_text import parse_yaml

Config = TypeVar("Config", bound=BaseModel)

_SPACE = "study.space."


def load_config(kind: type[Config], path: str | Path, assignments: Sequence[str] = ()) -> Config:
    """A validated configuration from a YAML file and ``a.b=c`` assignments.

    Args:
        kind: the class of the tree, `RunConfig` or `StudyConfig`.
        path: the YAML file.
        assignments: overrides, each ``dotted.name=value`` with the value in YAML. What follows
            ``study.space.`` is one name, that of a searched field.

    Raises:
        InputError: one line with the field, the value and what is allowed.
    """
    tree = parse_yaml(_read(path), str(path))
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise InputError(f"{path}: must be a mapping of sections, not {type(tree).__name__}")
    for assignment in assignments:
        _assign(tree, assignment)
    return validate(kind, tree, str(path))


def _read(path: str | Path) -> str:
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _assign(tree: dict[str, Any], assignment: str) -> None:
    dotted, separator, text = assignment.partition("=")
    if not separator or not all(dotted.split(".")):
        raise InputError(f"--set {assignment!r}: write it as section.field=value")
    if dotted.startswith(_SPACE):
        parts = ["study", "space", dotted.removeprefix(_SPACE)]
    else:
        parts = dotted.split(".")
    node = tree
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            child = node[part] = {}
        node = child
    node[parts[-1]] = parse_yaml(text, f"--set {dotted}")


def validate(kind: type[Config], tree: Mapping[str, Any], what: str) -> Config:
    """A configuration from plain values, or one line that says what is wrong.

    Raises:
        InputError: names the field, the value and what is allowed.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise InputError(f"{what}: {explain(kind, error)}") from None


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of a plain tree by dotted name; lists are leaves."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            leaves |= flatten(value, f"{name}.")
        else:
            leaves[name] = value
    return leaves
