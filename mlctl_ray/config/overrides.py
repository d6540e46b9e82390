"""Setting fields of a plain tree by dotted names, with unknown names refused."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InputError


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that names the nearest valid name, or all of them where none is near."""
    names = list(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"allowed: {', '.join(sorted(names))}" if names else "it has no fields"


def apply_overrides(
    tree: Mapping[str, Any], overrides: Mapping[str, Any], *, what: str
) -> dict[str, Any]:
    """A copy of a complete plain tree with fields replaced by their dotted names.

    Values are not validated here; the caller validates the tree that comes back.

    Raises:
        InputError: a name is not a field of the tree.
    """
    result: dict[str, Any] = copy.deepcopy(dict(tree))
    for dotted, value in overrides.items():
        *parents, last = dotted.split(".")
        node: Any = result
        for part in parents:
            node = _child(node, part, dotted, what)
        if not isinstance(node, dict) or last not in node:
            raise InputError(
                f"{what}: unknown field {dotted!r}; "
                + nearest(last, node if isinstance(node, dict) else ())
            )
        node[last] = value
    return result


def _child(node: Any, part: str, dotted: str, what: str) -> Any:
    if not isinstance(node, dict) or part not in node:
        names = node if isinstance(node, dict) else ()
        raise InputError(f"{what}: unknown field {dotted!r}; {nearest(part, names)}")
    return node[part]
