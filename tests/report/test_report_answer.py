"""Verdicts from runs made on the spot, through the same comparison as a report."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest
from synthetic_study import LANGUAGES, UNREADABLE, level, predictions

from mlctl_ray.report.answer import answer_of
from mlctl_ray.report.comparison import Languages, compare
from mlctl_ray.report.formats import points
from mlctl_ray.report.predictions import ScoredRun
from mlctl_ray.report.values import Answer, Comparison
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


def _compared(effects: Mapping[str, float], seeds: int = 3) -> Comparison:
    runs = {
        variant: tuple(scored(variant, seed, level(0.5 + effect)) for seed in range(seeds))
        for variant, effect in {"none": 0.0, **effects}.items()
    }
    return compare(runs, NAMES, split="test", confirmed=True, baseline="none", selected="best")


def answer(
    effects: Mapping[str, float], *, seeds: int = 3, levels: str = "multi+label",
    selection: str | None = "source", params: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    comparison = _compared(effects, seeds)
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
    assert not found.effect.covers_seeds
    assert "Even for these two models: with 1 seed and 300 examples" in found.headline
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
    assert "intervals are wide" not in limits
    assert "intervals are wide" in " ".join(answer({"best": 0.15}).limits)
    assert "google/flan-t5-base" in limits
    assert "Chinese (zh)" in limits


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_an_undecided_answer_leads_with_what_could_have_been_shown(seeds: int) -> None:
    found = answer({"best": 0.0}, seeds=seeds)
    assert found.verdict == "undecided"
    assert found.effect is not None
    assert found.effect.detectable is not None
    assert found.detectable == (
        f"With {seeds} seeds and 300 examples, a mean zero-shot effect below "
        f"{points(found.effect.detectable)} points would have been missed more often than one time "
        "in five."
    )
    assert found.headline.startswith(f"Undecided: w{found.detectable[1:]} Here mean")


def test_a_study_that_could_show_nothing_says_so() -> None:
    runs = {
        variant: tuple(scored(variant, seed, level(share)) for seed, share in enumerate(shares))
        for variant, shares in {"none": (0.2, 0.8), "best": (0.8, 0.3)}.items()
    }
    comparison = compare(
        runs, NAMES, split="test", confirmed=True, baseline="none", selected="best"
    )
    found = answer_of(comparison, {}, {}, "source", "xnli")
    assert "no mean zero-shot effect would have been found four times out of five" in found.headline
    assert any("On a single zero-shot language no effect" in limit for limit in found.limits)
    smallest = min(
        row.effect.detectable
        for row in _compared({"best": 0.1}).languages
        if row.kind == "zero_shot" and row.effect and row.effect.detectable
    )
    expected = f"an effect below {points(smallest)} points"
    assert any(expected in limit for limit in answer({"best": 0.1}).limits)
