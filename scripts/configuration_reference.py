"""Writes docs/configuration.md, or with --schema tests/config/schema.json, from the classes."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlctl_ray.config import LEVELS, VARIANTS, StudyConfig

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "tests" / "config" / "schema.json"

Node = Mapping[str, Any]

_HEAD = """\
# Configuration

<!-- Written by `make docs` from mlctl_ray/config/. Do not edit. -->

A study is one YAML file with the sections below; a run for `mlctl_ray.train` has the same sections
without `study`. A field that is left out has its default. A name that does not exist, a value out
of range, or values that do not go together end the command with one line and exit code 2.

- Words and numbers are read as YAML 1.2 does: `no` and `yes` are words (and `no` a language),
  `true` and `false` are the booleans, `1e-3` is a number, `.inf` is infinity, `null` is "not set".
- `--set section.field=value` replaces a field, with the value in YAML: `--set data.parallel=null`,
  `--set objective.multi.offset=.inf`, `--set data.nli.languages='[en, de]'`. What follows
  `study.space.` is the name of a searched field, and the value is its whole domain:
  `--set study.space.optimisation.learning_rate='{type: log_float, low: 1e-4, high: 1e-2}'`.
- `model.name` and `model.scratch` exclude each other. A file with a `model` section sets one of
  them.
"""

_RULES = """\
## Checks across fields

| what | rule |
|---|---|
| `model` | exactly one of `name` and `scratch`; `freeze_layers` at most the encoder's layers |
| `data.nli` | `source` is one of `languages` |
| `data.parallel.languages` | does not hold the source language |
| `data.alignment` | `gold` needs `parallel.path: embedded`; `lexicon` needs `data.lexicon` |
| levels sentence, word, multi; span corruption | need `data.parallel` |
| levels word, multi | need `data.alignment` other than `none` |
| level label | needs `data.lexicon` |
| `optimisation.batch_size`, `objective.batch_size` | divide over `scaling.workers` |
| measure `retrieval` | needs `data.retrieval` |
| measure `mean_zero_shot` | needs a zero-shot language |
| `study.also_optimise` | names neither `study.selection` nor a measure twice; needs `study.asha` \
and `study.terminator` to be `null` |
| `study.constraints` | names are measures or languages of `data.nli`; each has `at_least`, \
`at_most` or both, in this order |
| `study.max_cost` | needs `study.price_per_device_hour` above 0 |
| `study.asha.grace_evaluations` | ends after the longest alignment phase of the space |
| `study.confirmation.variants` | holds `none` where there are replicates |
| `study.space` | names are fields of the run, and every value is allowed for its field |
"""

_SPACE = """\
## Domains of study.space

A searched field is written by its dotted name with one of these domains. `when` makes it
conditional: it is searched only where each named parameter, declared before it, has one of the
listed values. Elsewhere the field keeps the value of the file.

```yaml
study:
  space:
    objective.levels: {type: categorical, choices: [none, sentence, multi+label]}
    objective.sentence.temperature:
      {type: log_float, low: 0.02, high: 0.5, when: {objective.levels: [sentence]}}
    objective.sentence.offset:
      {type: float, low: 0.0, high: 6.0, or_infinity: true, when: {objective.levels: [sentence]}}
    optimisation.steps: {type: int, low: 200, high: 2000, log: true}
    model.pooling: {type: constant, value: mean}
```
"""


def reference() -> str:
    """The text of docs/configuration.md."""
    schema = StudyConfig.model_json_schema()
    sections = [_HEAD, *_sections(schema, schema, ""), _RULES, _SPACE]
    for tag, model in (
        ("float, log_float", "FloatDomain"),
        ("int", "IntDomain"),
        ("categorical", "CategoricalDomain"),
        ("constant", "ConstantDomain"),
    ):
        sections.append(_table(f"### {tag}", schema["$defs"][model], schema))
    return "\n".join([*sections, _variants()])


def schema_text() -> str:
    """The JSON schema of a study without its prose, as kept in tests/config/schema.json."""
    return json.dumps(_without_prose(StudyConfig.model_json_schema()), indent=1) + "\n"


def _sections(node: Node, schema: Node, prefix: str) -> Iterator[str]:
    """The tables of a model and, after it, of the models in it."""
    title = f"## {prefix}" if prefix else "## Sections"
    levels = [f"`{prefix}.{level}`" for level in LEVELS[1:]]
    if prefix == f"objective.{LEVELS[0]}":
        title += f"\n\nThe same fields stand in {', '.join(levels)}."
    yield _table(title, node, schema)
    for name, field in node["properties"].items():
        path = f"{prefix}.{name}" if prefix else name
        child = _model_of(field, schema)
        if child is not None and path not in {f"objective.{level}" for level in LEVELS[1:]}:
            yield from _sections(child, schema, path)
        entry = _model_of(field.get("additionalProperties") or {}, schema)
        if entry is not None:
            yield _table(f"## {path}.NAME", entry, schema)


def _table(title: str, node: Node, schema: Node) -> str:
    rows = [title.replace("`objective.sentence.", "`objective."), ""]
    if node.get("description") and "##" not in node["description"]:
        rows += [" ".join(node["description"].split()), ""]
    rows += ["| field | value | default | meaning |", "|---|---|---|---|"]
    required = node.get("required", ())
    for name, field in node["properties"].items():
        default = "required" if name in required else _default(field, schema)
        meaning = " ".join(field.get("description", "").split())
        cells = (f"`{name}`", _value(field, schema), default, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*rows, ""])


def _model_of(field: Node, schema: Node) -> Node | None:
    for choice in (field, *field.get("anyOf", ())):
        if "$ref" in choice:
            model: Node = schema["$defs"][choice["$ref"].rsplit("/", 1)[1]]
            return model
    return None


def _value(field: Node, schema: Node) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_value(choice, schema) for choice in field["anyOf"]))
    if "$ref" in field:
        return "section"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    return _plain_value(field, schema)


def _plain_value(field: Node, schema: Node) -> str:
    kind: str = field.get("type", "any")
    if kind == "array":
        if field.get("title") == "Levels":
            return "levels joined by `+`, or `none`"
        if "prefixItems" in field:
            return f"list of {len(field['prefixItems'])} words"
        items = field.get("items", {})
        return f"list of {_value(items, schema)}" if items else "list"
    if kind == "object":
        return "mapping"
    words: dict[str, str] = {
        "integer": "whole number",
        "string": "text",
        "boolean": "`true` or `false`",
    }
    words |= {"null": "`null`", "number": "number"}
    bounds = [
        f"{sign} {field[key]}"
        for key, sign in (
            ("minimum", ">="),
            ("exclusiveMinimum", ">"),
            ("maximum", "<="),
            ("exclusiveMaximum", "<"),
        )
        if key in field
    ]
    if "pattern" in field:
        bounds.append(f"matching `{field['pattern']}`")
    word = words.get(kind, kind)
    return f"{word} {', '.join(bounds)}".strip()


def _default(field: Node, schema: Node) -> str:
    if _model_of(field, schema) is not None:
        return "`null`" if field.get("default", ...) is None else "see below"
    value = field.get("default")
    if value == [] or (field.get("type") == "object" and value is None):
        return "`[]`" if value == [] else "`{}`"
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and math.isinf(value):
        return "`.inf`"
    if isinstance(value, list):
        joined = ", ".join(str(item) for item in value)
        return f"`{'+'.join(value)}`" if set(value) <= set(LEVELS) else f"`[{joined}]`"
    return "`" + str(value).replace("\n", "\\n") + "`"


def _variants() -> str:
    rows = [
        "## Named variants",
        "",
        "Settings of the objective with the names of docs/method.md. `study.known` tries them",
        "first, `study.confirmation.variants` confirms them beside the best trial.",
        "",
        "| variant | `objective.levels` | offsets |",
        "|---|---|---|",
    ]
    for name, settings in VARIANTS.items():
        offsets = ", ".join(
            f"`{field.removeprefix('objective.')}` {'.inf' if math.isinf(value) else f'{value:g}'}"
            for field, value in settings.items()
            if field.endswith(".offset")
        )
        rows.append(f"| `{name}` | `{settings['objective.levels']}` | {offsets or 'none'} |")
    return "\n".join([*rows, ""])


def _without_prose(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _without_prose(value)
            for key, value in node.items()
            if not (key in ("description", "title") and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_without_prose(item) for item in node]
    return node


def main() -> None:
    """Write the file that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schema", action="store_true", help="write tests/config/schema.json")
    path, text = (SCHEMA, schema_text()) if parser.parse_args().schema else (REFERENCE, reference())
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201


if __name__ == "__main__":
    main()
