"""YAML as this package reads and writes it: 1.2's words and numbers, no name twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from ..errors import InputError
from .objective import join_levels

_FLOAT = re.compile(
    r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$"
    r"|^[-+]?[0-9]+[eE][-+]?[0-9]+$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
_FLOAT_TAG = "tag:yaml.org,2002:float"
_LEFT_OUT = (":bool", ":float", ":timestamp")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: `no` and `2025-01-31` are words, `1e-3` is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a name that stands twice is refused, where YAML would keep the last."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(_LEFT_OUT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(_FLOAT_TAG, _FLOAT, list("-+0123456789."))


class _Dumper(yaml.SafeDumper):
    """Quotes every word that YAML 1.1 or 1.2 would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated values out."""
        return True


_Dumper.add_implicit_resolver(_FLOAT_TAG, _FLOAT, list("-+0123456789."))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # YAML 1.1 takes these for line ends and would read them as plain new lines unless escaped.
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def parse_yaml(text: str, what: str) -> Any:
    """The value of a YAML text, safely loaded.

    Raises:
        InputError: the text is not YAML; the line names the place.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InputError(f"{what}: not valid YAML{place}: {problem}") from None


def plain(value: Any) -> Any:
    """A configuration as mappings, lists and scalars that YAML keeps exactly."""
    if isinstance(value, BaseModel):
        return {
            name: join_levels(getattr(value, name))
            if name == "levels"
            else plain(getattr(value, name))
            for name in type(value).model_fields
        }
    if isinstance(value, Mapping):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, tuple | list):
        return [plain(child) for child in value]
    return value


def to_yaml(config: BaseModel) -> str:
    """The resolved configuration as YAML that `validate` reads back to an equal object."""
    text: str = yaml.dump(
        plain(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text
