"""From a space to parameters and back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mlctl_ray.config import VARIANTS, Domain, StudyConfig, load_config
from mlctl_ray.search.sampling import (
    decode,
    encode,
    known_point,
    replicate_seed,
    sampler_seed,
    suggest,
    trial_seed,
)

SPACES = sorted((Path(__file__).resolve().parents[2] / "search_spaces").glob("*.yaml"))
optuna.logging.set_verbosity(optuna.logging.WARNING)
domain = TypeAdapter(Domain).validate_python

LEAVES = st.one_of(
    st.builds(
        lambda low, width, infinite, log: {
            "type": "log_float" if log else "float",
            "low": low,
            "high": low + width,
            "or_infinity": infinite,
        },
        st.floats(0.01, 5),
        st.floats(0.1, 5),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(lambda low, n: {"type": "int", "low": low, "high": low + n}, st.integers(-3, 3),
              st.integers(1, 9)),
    st.builds(lambda value: {"type": "constant", "value": value}, st.sampled_from([1, "x", 2.5])),
    st.just({"type": "categorical", "choices": ["p", 3, None]}),
)  # fmt: skip


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """A choice, leaves that depend on it, and leaves that depend on nothing."""
    space: dict[str, Any] = {
        "root": domain({"type": "categorical", "choices": ["a", "b", "c"]}),
        "child": domain({"type": "categorical", "choices": [1, 2], "when": {"root": ["a", "b"]}}),
    }
    conditions = ({}, {"root": ["a"]}, {"root": ["b", "c"]}, {"child": [2]})
    for index, leaf in enumerate(draw(st.lists(LEAVES, max_size=5))):
        when = draw(st.sampled_from(conditions))
        space[f"leaf{index}"] = domain(leaf | ({"when": when} if when else {}))
    return space


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 999))
def test_decode_is_the_inverse_of_suggest(space: dict[str, Any], seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        trial = study.ask()
        values = suggest(trial, space)
        assert decode(trial.params, space) == values
        for name, value in values.items():
            assert space[name].holds(value) or space[name].type == "constant"
        assert ("child" in values) == (values["root"] in ("a", "b"))
        again = optuna.trial.Trial(study, trial._trial_id)
        assert suggest(again, space) == values, "a trial that is begun again keeps its values"
        study.tell(trial, 0.0)


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 999))
def test_encode_gives_what_optuna_stored(space: dict[str, Any], seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        trial = study.ask()
        values = suggest(trial, space)
        assert encode(values, space) == (trial.params, trial.distributions)
        assert encode(values | {"root": "elsewhere"}, space) is None
        assert encode({k: v for k, v in values.items() if k != "root"}, space) is None


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
@pytest.mark.parametrize("variant", VARIANTS)
def test_named_variants_are_points_of_every_shipped_space(path: Path, variant: str) -> None:
    config = load_config(StudyConfig, path)
    if variant not in config.study.known and "study.known" in path.read_text(encoding="utf-8"):
        pytest.skip(f"{path.name} leaves {variant} out")
    point = known_point(config, variant)
    study = optuna.create_study()
    study.enqueue_trial(point)
    trial = study.ask()
    values = suggest(trial, config.study.space)
    assert trial.params == point, "every parameter is the variant's own, none is drawn"
    assert decode(point, config.study.space) == values
    objective = config.run_config(values).objective
    wanted = VARIANTS[variant]
    levels = wanted["objective.levels"]
    assert objective.levels == (() if levels == "none" else tuple(levels.split("+")))
    for level in objective.levels:
        assert objective.level(level).offset == wanted[f"objective.{level}.offset"]


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_shipped_spaces_search_each_level_and_the_schedule(path: Path) -> None:
    space = load_config(StudyConfig, path).study.space
    levels = {
        level for choice in space["objective.levels"].samples() for level in choice.split("+")
    }
    for level in levels - {"none"}:
        for name in ("temperature", "weight", "offset"):
            searched = space[f"objective.{level}.{name}"]
            assert searched.type != "constant"
            assert level in {
                part for v in searched.when["objective.levels"] for part in v.split("+")
            }
        assert math.inf in space[f"objective.{level}.offset"].samples()
    assert {"optimisation.learning_rate", "optimisation.schedule"} <= space.keys()


def test_seeds_are_distinct_and_stay_as_they_are() -> None:
    trials = [trial_seed(study, number) for study in range(20) for number in range(500)]
    replicates = [replicate_seed(study, index) for study in range(20) for index in range(50)]
    samplers = [sampler_seed(study, number) for study in range(20) for number in range(500)]
    assert len(set(trials + replicates)) == len(trials) + len(replicates)
    assert len(set(samplers)) == len(samplers)
    assert all(0 <= seed < 2**31 for seed in trials + replicates + samplers)
    assert (trial_seed(1, 2), replicate_seed(1, 2)) == (1_015_842, 501_209_464)
