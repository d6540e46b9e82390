"""Verdicts from runs made on the spot, through the same comparison as a report."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest
from synthetic_study import LANGUAGES, UNREADABLE, level, predictions

from mlctl_ray.report.answer import answer_of
from mlctl_ray.report.comparison import Languages, compare
from mlctl_ray.report.predictions import ScoredRun
from mlctl_ray.report.values import Answer
from mlctl_ray.tracking import Role, RunRecord, RunState

NAMES = Languages("en", LANGUAGES, UNREADABLE, 0.2)


def scored(variant: str, seed: int, accuracy: Mapping[str, float]) -> ScoredRun:
    run = RunRecord(
        f"{variant}{seed}", variant, Role.REPLICATE, RunState.FINISHED, None, variant, seed,
        {}, {}, {}, None, None,
    )  # fmt: skip
    table = predictions(accuracy, examples=300, noise=seed * 31 + len(variant))
    right = (table["gold"] == table["predicted"]).astype("float32")
    wide = pd.DataFrame(
        {"id": table["example_id"], "language": table["language"], "right": right}
    ).pivot(index="id", columns="language", values="right")
    return ScoredRun(run, {str(k): float(v) for k, v in wide.mean().items()}, wide)


def answer(
    effects: Mapping[str, float], *, seeds: int = 3, levels: str = "multi+label",
    selection: str | None = "source", params: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    runs = {
        variant: tuple(scored(variant, seed, level(0.5 + effect)) for seed in range(seeds))
        for variant, effect in {"none": 0.0, **effects}.items()
    }
    comparison = compare(
        runs, NAMES, split="test", confirmed=True, baseline="none", selected="best"
    )
    return answer_of(comparison, params or {}, {"objective.levels": levels}, selection, "xnli")


def test_harm_is_a_no() -> None:
    found = answer({"best": -0.15})
    assert found.verdict == "no"
    assert found.headline.startswith("No: ")
    assert "worse on 3" in found.headline
    assert (found.holds, found.hurts) == ((), ("de", "sw", "zh"))


def test_one_seed_cannot_decide() -> None:
    found = answer({"best": 0.2}, seeds=1)
    assert found.verdict == "undecided"
    assert found.effect is not None
    assert found.effect.low > 0
    assert any("covers the choice of examples only" in limit for limit in found.limits)


def test_a_selected_baseline_says_nothing_about_the_objective() -> None:
    found = answer({"best": 0.2}, levels="none")
    assert found.verdict == "undecided"
    assert "without a contrastive level" in found.headline


@pytest.mark.parametrize(
    ("selection", "strict"),
    [("source", True), ("retrieval", True), ("mean_zero_shot", False), (None, None)],
)
def test_selection_rule_is_said(selection: str | None, strict: bool | None) -> None:
    found = answer({"best": 0.1}, seeds=2, selection=selection)
    assert found.strict_zero_shot is strict
    assert ("not strict" in found.selection) == (strict is False)


def test_a_configuration_of_another_kind_points_to_the_variant_in_question() -> None:
    without = answer({"best": 0.15}, levels="sentence")
    assert any("la-ml-ctl-cz itself was not confirmed" in limit for limit in without.limits)
    with_it = answer({"la-ml-ctl-cz": 0.1, "best": 0.15}, levels="sentence")
    assert any("itself changes it by +10.0 points" in limit for limit in with_it.limits)
    assert not any("la-ml-ctl-cz" in limit for limit in answer({"best": 0.15}).limits)


def test_enough_seeds_and_a_pretrained_model_are_not_warned_about() -> None:
    found = answer({"best": 0.15}, seeds=5, params={"model.name": "google/flan-t5-base"})
    limits = " ".join(found.limits)
    assert "too narrow" not in limits
    assert "google/flan-t5-base" in limits
    assert "Chinese (zh)" in limits
