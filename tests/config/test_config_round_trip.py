"""A configuration becomes YAML and the same configuration again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlctl_ray.config import (
    RunConfig,
    StudyConfig,
    apply_overrides,
    flatten,
    load_config,
    parse_yaml,
    plain,
    to_yaml,
    validate,
)
from mlctl_ray.errors import InputError

# Words that YAML 1.1 or 1.2 reads as something other than text unless they are quoted.
WORDS = ["no", "yes", "on", "null", "~", "1e3", "1e-3", ".5", ".inf", "2025-01-31", "0x1f", "1:30"]
LINE_ENDS = ["\x85", "\u2028\u2029", "a\r\nb\n"]
text = st.one_of(st.sampled_from(WORDS + LINE_ENDS), st.text(min_size=1))
positive = st.floats(min_value=1e-9, max_value=1e9, exclude_min=True)
not_negative = st.floats(min_value=0, allow_infinity=False, allow_nan=False)
fraction = st.floats(min_value=0, max_value=1)
count = st.integers(min_value=1, max_value=10**6)
levels = st.sampled_from(
    ["none", "sentence", "word", "multi", "label", "sentence+word", "label+multi", "word+label"]
)


def level_fields(level: str) -> dict[str, st.SearchStrategy[Any]]:
    return {
        f"objective.{level}.weight": not_negative,
        f"objective.{level}.temperature": st.floats(min_value=0.005, max_value=1e6),
        f"objective.{level}.offset": st.one_of(not_negative, st.just(math.inf)),
    }


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "model.dropout": st.floats(min_value=0, max_value=1, exclude_max=True),
    "model.pooling": st.sampled_from(["mean", "avg_first_last", "last"]),
    "model.freeze_embeddings": st.booleans(),
    "model.scratch.d_model": count,
    "model.prompt": text.map(
        lambda t: t.replace("{", "{{").replace("}", "}}") + "{premise}{hypothesis}"
    ),
    "model.verbalisers": st.lists(
        text.filter(lambda t: bool(t.strip())), min_size=3, max_size=3, unique=True
    ),
    "data.nli.path": text,
    "data.nli.languages": st.lists(text, max_size=4, unique=True).map(
        lambda names: ["en", *(name for name in names if name != "en")]
    ),
    "data.nli.train_size": st.none() | count,
    "data.retrieval": st.none(),
    "data.alignment": st.sampled_from(["gold", "lexicon", "none"]),
    "data.lexicon": st.one_of(st.none(), text),
    "data.code_switch_rate": fraction,
    "data.cache": text,
    "objective.levels": levels,
    **level_fields("sentence"),
    **level_fields("word"),
    **level_fields("multi"),
    **level_fields("label"),
    "objective.batch_size": st.integers(min_value=2, max_value=4096),
    "objective.directions": st.sampled_from(["one", "both"]),
    "objective.span_corruption.weight": not_negative,
    "optimisation.learning_rate": positive,
    "optimisation.evaluate_every": st.none() | count,
    "evaluation.unreadable_threshold": fraction,
    "seed": st.integers(min_value=0, max_value=2**31 - 1),
}
overrides = st.fixed_dictionaries({}, optional=FIELDS)


def run_with(values: dict[str, Any]) -> RunConfig:
    """A run with the overrides; combinations that are refused are not looked at."""
    try:
        return validate(RunConfig, apply_overrides(plain(RunConfig()), values, what="test"), "test")
    except InputError:
        assume(False)
        raise AssertionError from None


@settings(max_examples=60, deadline=None)
@given(overrides)
def test_a_run_survives_yaml(values: dict[str, Any]) -> None:
    config = run_with(values)
    again = validate(RunConfig, parse_yaml(to_yaml(config), "yaml"), "yaml")
    assert again == config
    assert to_yaml(again) == to_yaml(config)


@st.composite
def domains(draw: st.DrawFn) -> dict[str, Any]:
    """A space: a searched level, and offsets and weights that depend on it."""
    low = draw(st.floats(min_value=1e-3, max_value=1.0))
    high = draw(st.floats(min_value=2.0, max_value=1e6))
    choices = draw(st.lists(levels, min_size=1, max_size=4, unique=True))
    condition = {"objective.levels": choices[:1]}
    space: dict[str, Any] = {
        "objective.levels": {"type": "categorical", "choices": choices},
        "objective.multi.offset": {
            "type": "float",
            "low": low,
            "high": high,
            "or_infinity": draw(st.booleans()),
            "when": condition,
        },
        "objective.label.weight": {"type": "log_float", "low": low, "high": high},
        "objective.label.offset": {
            "type": "constant",
            "value": draw(st.sampled_from([0, 1.5, math.inf])),
        },
        "optimisation.steps": {"type": "int", "low": 1, "high": draw(count) + 1, "log": True},
    }
    return space


@settings(max_examples=30, deadline=None)
@given(overrides, domains(), text, st.sampled_from(["source", "mean_zero_shot"]))
def test_a_study_survives_yaml(
    values: dict[str, Any], space: dict[str, Any], storage: str, selection: str
) -> None:
    tree = plain(run_with(values))
    tree["study"] = {"name": "s", "space": space, "storage": storage, "selection": selection}
    if len(tree["data"]["nli"]["languages"]) == 1:
        tree["study"]["selection"] = "source"
    config = validate(StudyConfig, tree, "test")
    again = validate(StudyConfig, parse_yaml(to_yaml(config), "yaml"), "yaml")
    assert again == config
    assert list(again.study.space) == list(space)


@pytest.mark.parametrize("value", [*WORDS, *LINE_ENDS])
def test_the_file_reads_back_to_the_same_study(value: str, tmp_path: Path) -> None:
    tree = {
        "study": {"name": "s", "space": {"seed": {"type": "int", "low": 1, "high": 2}}},
        "data": {"cache": value},
    }
    config = validate(StudyConfig, tree, "test")
    assert config.objective.multi.offset == math.inf
    file = tmp_path / "resolved.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(StudyConfig, file) == config


def as_yaml(value: Any) -> str:
    return ".inf" if value == math.inf else json.dumps(value)


@pytest.mark.parametrize("name", sorted(flatten(plain(RunConfig()))))
def test_every_field_can_be_set_by_its_dotted_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("model: {scratch: {}}", encoding="utf-8")
    value = flatten(plain(RunConfig()))[name]
    assert load_config(RunConfig, file, [f"{name}={as_yaml(value)}"]) == RunConfig()


def test_set_replaces_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "study: {name: s, space: {objective.multi.weight: {type: float, low: 0.1, high: 1}}}\n"
        "data: {parallel: {size: 10}}\n",
        encoding="utf-8",
    )
    config = load_config(
        StudyConfig,
        file,
        [
            "optimisation.learning_rate=1e-3",
            "objective.multi.offset=.inf",
            "data.parallel=null",
            "objective.levels=none",
            "data.nli.languages=[en, no]",
            "study.space.objective.multi.weight={type: constant, value: 2}",
        ],
    )
    assert config.optimisation.learning_rate == 0.001
    assert config.objective.multi.offset == math.inf
    assert config.data.parallel is None
    assert config.data.nli.languages == ("en", "no")
    assert plain(config.study.space["objective.multi.weight"]) == {
        "when": None,
        "type": "constant",
        "value": 2,
    }


def test_levels_are_a_set_in_one_order() -> None:
    one = run_with({"objective.levels": "label+multi"})
    other = run_with({"objective.levels": ["multi", "label"]})
    assert one == other
    assert one.objective.levels == ("multi", "label")
    assert plain(one)["objective"]["levels"] == "multi+label"


def test_flatten_names_every_leaf_once() -> None:
    tree = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": {}, "f": None}
    assert flatten(tree) == {"a.b.c": 1, "a.d": [1, 2], "e": {}, "f": None}
