"""The named variants are settings of one objective (docs/method.md, section 8)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from mlctl_ray.config import BASELINE, VARIANTS, Level, RunConfig, StudyConfig, plain, validate

TABLE: dict[str, dict[Level, float]] = {
    "none": {},
    "info-snt": {"sentence": 0.0},
    "cz-snt": {"sentence": math.inf},
    "info-word": {"word": 0.0},
    "cz-word": {"word": math.inf},
    "ml-ctl-info": {"multi": 0.0},
    "ml-ctl-cz": {"multi": math.inf},
    "la-ml-ctl-cz": {"multi": math.inf, "label": math.inf},
}


def study(**sections: Any) -> StudyConfig:
    tree = {
        "study": {"name": "s", "space": {"seed": {"type": "int", "low": 1, "high": 2}}},
        **sections,
    }
    return validate(StudyConfig, tree, "test")


def test_the_variants_are_those_of_the_method() -> None:
    assert list(VARIANTS) == list(TABLE)
    assert BASELINE == "none"
    assert study().study.known == tuple(TABLE)


@pytest.mark.parametrize("name", list(TABLE))
def test_a_variant_sets_levels_and_offsets_and_nothing_else(name: str) -> None:
    objective = {
        "levels": "sentence+word",
        "multi": {"weight": 0.3, "temperature": 0.2, "offset": 1.5},
        "label": {"weight": 0.4, "temperature": 0.1, "offset": 2.5},
    }
    base = study(objective=objective)
    run = base.run_config(dict(VARIANTS[name]))
    assert run.objective.levels == tuple(TABLE[name])
    assert run.objective.active == tuple(TABLE[name])
    for level in ("sentence", "word", "multi", "label"):
        before, after = base.objective.level(level), run.objective.level(level)
        assert after.offset == TABLE[name].get(level, before.offset)
        assert (after.weight, after.temperature) == (before.weight, before.temperature)
    tree = plain(run)
    expected = base.run_tree()
    for part in (tree, expected):
        del part["objective"]
    assert tree == expected


def test_a_weight_of_zero_takes_a_level_out() -> None:
    run = study(objective={"levels": "multi+label", "multi": {"weight": 0}})
    assert run.objective.active == ("label",)
    assert run.objective.parallel_levels == ()
    assert study(objective={"levels": "none"}).align_steps == 0


def test_the_alignment_phase_is_a_share_of_the_steps() -> None:
    optimisation = {"steps": 200, "align_fraction": 0.3, "schedule": "align_then_joint"}
    assert study(optimisation=optimisation).align_steps == 60
    assert study(optimisation=optimisation, objective={"levels": "label"}).align_steps == 0
    assert study(optimisation=optimisation | {"schedule": "joint"}).align_steps == 0


def test_nothing_can_be_assigned() -> None:
    config = RunConfig()
    for owner, field in (
        (config, "seed"),
        (config.objective, "levels"),
        (config.objective.multi, "offset"),
        (config.data.nli, "languages"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(owner, field, getattr(owner, field))
    with pytest.raises(TypeError):
        VARIANTS["none"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        VARIANTS["none"]["objective.levels"] = "multi"  # type: ignore[index]


def test_derived_values() -> None:
    config = study(data={"nli": {"languages": ["de", "en", "tr"]}})
    assert config.data.nli.targets == ("de", "tr")
    assert config.data.parallel_languages == ("de", "tr")
    assert study(data={"parallel": {"languages": ["fr"]}}).data.parallel_languages == ("fr",)
    assert config.task == "embedded"
    assert study(data={"nli": {"path": "facebook/xnli"}}).task == "xnli"
    assert study(evaluation={"task": "mine"}).task == "mine"
