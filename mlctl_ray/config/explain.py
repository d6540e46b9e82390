"""One line for what pydantic found wrong: the field, the value, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .overrides import nearest
from .space import CategoricalDomain, ConstantDomain, FloatDomain, IntDomain

_DOMAINS: Mapping[str, type[BaseModel]] = {
    "float": FloatDomain,
    "log_float": FloatDomain,
    "int": IntDomain,
    "categorical": CategoricalDomain,
    "constant": ConstantDomain,
}
_WORDS = (
    (re.compile(r"a valid dictionary( or instance of \w+)?"), "a mapping of fields"),
    (re.compile(r"a valid (tuple|list)"), "a list"),
    (re.compile(r"a valid integer.*"), "a whole number"),
    (re.compile(r"a valid number.*"), "a number"),
    (re.compile(r"a valid boolean.*"), "true or false"),
    (re.compile(r"a valid string"), "text"),
)
_DOMAIN_DEPTH = 3
"""Parts of `study.space.<name>`, after which pydantic puts the domain's type."""


def explain(kind: type[BaseModel], error: ValidationError) -> str:
    """The first error in words; an unknown name comes first, as it often causes the others."""
    errors = error.errors(include_url=False)
    first: Any = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = tuple(first["loc"])
    shown = [str(part) for part in location]
    if shown[:2] == ["study", "space"] and len(shown) > _DOMAIN_DEPTH:
        del shown[_DOMAIN_DEPTH]
    field = ".".join(shown)
    if first["type"] == "extra_forbidden":
        model = _model_at(kind, location[:-1])
        return f"unknown field {field!r}; {nearest(shown[-1], model.model_fields if model else ())}"
    if first["type"] == "missing":
        return f"field {field!r} is missing"
    if first["type"].startswith("union_tag"):
        return _explain_type(field, first["input"])
    message = _reworded(first)
    if not field or isinstance(first["input"], BaseModel | Mapping):
        return f"{field}: {message}" if field else message
    return f"{field}: {first['input']!r} is wrong: {message}"


def _explain_type(field: str, value: Any) -> str:
    allowed = f"allowed: {', '.join(_DOMAINS)}"
    if isinstance(value, Mapping) and "type" in value:
        return f"{field}.type: {value['type']!r} is wrong: {allowed}"
    return f"{field}: needs a type; {allowed}"


def _reworded(error: Any) -> str:
    if error["type"] == "too_short":
        return f"needs {error['ctx']['min_length']} or more, not {error['ctx']['actual_length']}"
    message: str = error["msg"].removeprefix("Value error, ")
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message[:1].lower() + message[1:]


def _model_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = kind
    for part in location:
        if model is None or str(location[-1]) in _DOMAINS:
            return _DOMAINS.get(str(location[-1]))
        if part not in model.model_fields:
            continue  # a name in a mapping of sections
        model = _model_in(model.model_fields[str(part)].annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is not None:
        models = [_model_in(a) for a in get_args(annotation) if a is not NoneType]
        return next((model for model in models if model is not None), None)
    return None
