"""Numbers and verdicts of reports on real stores, against a recomputation from the files."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_study import LANGUAGES, StudyWriter, confirmed_study, level

from mlctl_ray.report import ReportFiles, build_report
from mlctl_ray.report.formats import number, p_value, parameter, percent, points, signed_points
from mlctl_ray.tracking import RunState, StudyReader

Built = tuple[StudyWriter, ReportFiles]


def content(files: ReportFiles) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files.json.read_text())
    return loaded


def build(study: StudyWriter) -> dict[str, Any]:
    return content(build_report(tracking_uri=study.uri, output=study.folder / "reports"))


def right_of(study: StudyWriter) -> pd.DataFrame:
    """Columns variant, seed, language, example_id, right of all replicates."""
    reader = StudyReader(study.uri)
    frames = []
    for run in reader.read(study.name).replicates:
        path = reader.artifact(run.run_id, "predictions/test.parquet")
        assert path is not None
        table = pd.read_parquet(path).assign(variant=run.variant, seed=run.seed)
        frames.append(table.assign(right=table["gold"] == table["predicted"]))
    return pd.concat(frames)


def right_of_language(right: pd.DataFrame, language: str) -> dict[str, pd.DataFrame]:
    """Seeds in rows, examples in columns, of best and none."""
    one = right[right["language"] == language].astype({"right": float})
    return {
        variant: one[one["variant"] == variant].pivot(
            index="seed", columns="example_id", values="right"
        )
        for variant in ("best", "none")
    }


def check_effect(effect: dict[str, Any], sides: dict[str, pd.DataFrame]) -> None:
    """The interval by pandas and SciPy's distributions, and the tests of each seed."""
    table = sides["best"] - sides["none"]
    seeds, examples = table.shape
    of_seeds = examples * table.mean(axis=1).var(ddof=1)
    of_examples = seeds * table.mean(axis=0).var(ddof=1)
    centred = table.sub(table.mean(axis=1), axis=0).sub(table.mean(axis=0) - table.mean().mean())
    residual = (centred**2).to_numpy().sum() / ((seeds - 1) * (examples - 1))
    t_seeds, t_examples = stats.t.ppf(0.975, [seeds - 1, examples - 1])
    square = max(
        t_seeds**2 * of_seeds + t_examples**2 * max(of_examples - residual, 0),
        t_examples**2 * of_examples,
    )
    half = max((square / table.size) ** 0.5, t_examples / examples)
    assert effect["high"] - effect["difference"] == pytest.approx(half, rel=1e-4)
    assert effect["difference"] - effect["low"] == pytest.approx(half, rel=1e-4)
    exact = sorted(
        stats.binomtest(int((row > 0).sum()), int((row != 0).sum())).pvalue
        for _, row in table.iterrows()
    )
    assert effect["mcnemar"]["exact"] == pytest.approx(min(1, 1.5 * exact[1]))
    angles = {side: 2 * np.arcsin(np.sqrt(t.mean(axis=1))) for side, t in sides.items()}
    expected = (angles["best"] - angles["none"]).mean()
    assert effect["cohens_h"]["value"] == pytest.approx(expected, abs=1e-6)
    assert effect["bootstrap"]["low"] <= effect["difference"] <= effect["bootstrap"]["high"]


def test_numbers_equal_a_recomputation_from_the_predictions(large_effect: Built) -> None:
    study, files = large_effect
    data = content(files)["comparison"]
    right = right_of(study)
    per_seed = right.groupby(["variant", "language", "seed"])["right"].mean().unstack("seed")
    assert data["variants"] == ["none", "ml-ctl-cz", "best"]
    for row in data["languages"]:
        for variant, score in zip(data["variants"], row["scores"], strict=True):
            seeds = per_seed.loc[(variant, row["target"])]
            assert score["accuracy"] == pytest.approx(seeds.mean(), abs=1e-6)
            assert score["deviation"] == pytest.approx(seeds.std(), abs=1e-6)
            assert score["seeds"] == 3
        expected = per_seed.loc[("best", row["target"])] - per_seed.loc[("none", row["target"])]
        assert row["difference"] == pytest.approx(expected.mean(), abs=1e-6)
        assert row["effect"]["low"] <= row["difference"] <= row["effect"]["high"]
        check_effect(row["effect"], right_of_language(right, row["target"]))
    means = per_seed.mean(axis=1)
    averages = {row["target"]: row for row in data["averages"]}
    for name, members in (
        ("mean", LANGUAGES),
        ("mean_zero_shot", LANGUAGES[1:]),
        ("mean_zero_shot_readable", ("de", "sw")),
    ):
        best, none = (means[v][list(members)].mean() for v in ("best", "none"))
        assert averages[name]["scores"][2]["accuracy"] == pytest.approx(best, abs=1e-6)
        assert averages[name]["difference"] == pytest.approx(best - none, abs=1e-6)


def test_pair_matrices_are_means_over_seeds(large_effect: Built) -> None:
    study, files = large_effect
    data = content(files)["pairs"]
    reader = StudyReader(study.uri)
    tables = {
        (run.variant, run.seed): pd.read_parquet(
            str(reader.artifact(run.run_id, "pairs/test.parquet"))
        ).set_index(["premise_language", "hypothesis_language"])["accuracy"]
        for run in reader.read().replicates
    }
    assert data["languages"] == list(LANGUAGES)
    for i, premise in enumerate(LANGUAGES):
        for j, hypothesis in enumerate(LANGUAGES):
            best, none = (
                sum(tables[variant, seed][premise, hypothesis] for seed in range(3)) / 3
                for variant in ("best", "none")
            )
            assert data["selected"][i][j] == pytest.approx(best)
            assert data["difference"][i][j] == pytest.approx(best - none)


def test_large_effect_is_a_yes_in_the_first_sentence(large_effect: Built) -> None:
    _, files = large_effect
    data = content(files)
    answer = data["answer"]
    assert answer["verdict"] == "yes"
    assert answer["headline"].startswith("Yes: ")
    for part in ("+15.0 points", "3 seeds", "3 of the 3 zero-shot languages", "on test"):
        assert part in answer["headline"]
    assert (answer["holds"], answer["hurts"]) == (["de", "sw", "zh"], [])
    assert answer["strict_zero_shot"] is False
    limits = " ".join(answer["limits"])
    for part in ("from scratch", "Chinese (zh)", "3 seeds"):
        assert part in limits
    assert data["missing"] == []
    assert files.headline == answer["headline"]


def test_no_effect_is_undecided(store: Path) -> None:
    answer = build(confirmed_study(store, effect=0.0, seeds=2, trials=False))["answer"]
    assert answer["verdict"] == "undecided"
    assert answer["headline"].startswith("Undecided: ")
    assert answer["holds"] == answer["hurts"] == []


def test_search_without_confirmation_does_not_answer(store: Path) -> None:
    study = confirmed_study(store, effect=0.2, seeds=0)
    data = build(study)
    assert data["answer"]["headline"].startswith("Undecided: no confirmation was run")
    assert "do not answer the question" in data["answer"]["headline"]
    comparison = data["comparison"]
    assert (comparison["split"], comparison["confirmed"]) == ("validation", False)
    assert comparison["effects"] == []
    row = comparison["languages"][1]
    assert row["difference"] == pytest.approx(0.25, abs=0.01)
    assert row["effect"] is None


def test_ranking_shows_every_state(large_effect: Built) -> None:
    _, files = large_effect
    search = content(files)["search"]
    assert [(t["rank"], t["number"], t["state"]) for t in search["trials"]] == [
        (1, 2, "finished"),
        (2, 1, "finished"),
        (3, 0, "finished"),
        (None, 3, "pruned"),
        (None, 4, "failed"),
    ]
    assert search["states"] == {"finished": 3, "pruned": 1, "failed": 1}
    assert search["best_trial"] == 2
    assert search["trials"][0]["parameters"] == ["multi+label", "0.0712345", "0.001"]
    assert search["device_hours"] == pytest.approx(0.25 * 13)


def test_unpaired_seeds_and_metrics_that_disagree_are_named(store: Path) -> None:
    study = StudyWriter(store)
    for seed in (0, 1):
        study.replicate("none", seed, level(0.5))
        study.replicate("best", seed + 1, level(0.7))
    study.replicate("cz-snt", 1, level(0.6), with_files=False)
    run = StudyReader(study.uri).read().replicates[0]
    study.tracker.log_metrics(run.run_id, {"test/xnli/de/accuracy": 0.99}, step=11)
    study.finish()
    data = build(study)
    effect = data["answer"]["effect"]
    assert effect["seeds"] == 1
    missing = " ".join(data["missing"])
    for part in (
        "leave out seeds",
        "0, 2",
        "differs from its predictions",
        "no predictions of test",
    ):
        assert part in missing


def numbers_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers_in(inner)
    elif isinstance(value, str):
        yield from re.findall(r"[+−]?\d+\.\d+", f"{value} {parameter(value)}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (points(value), signed_points(value), p_value(value), number(value))
        yield from (percent(value), percent(value, 2), p_value(value).strip("<"))


def visible(page: str) -> str:
    for element in ("style", "script", "svg"):
        page = re.sub(rf"<{element}\b.*?</{element}>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def test_every_number_shown_is_in_the_json(large_effect: Built) -> None:
    _, files = large_effect
    known = set(numbers_in(content(files))) | {"0.05", "2.5", "97.5"}
    shown = set(re.findall(r"[+−]?\d+\.\d+", visible(files.html.read_text())))
    assert len(shown) > 50
    assert shown <= known
    assert set(re.findall(r"[+−]?\d+\.\d+", files.markdown.read_text())) <= known


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("empty", ["no trial", "no task"]),
        ("running", ["still running", "No replicate has finished"]),
        ("failed", ["ended as failed", "No trial has finished"]),
        ("one_trial", ["no finished trial of 'none'", "No replicate has finished"]),
        ("no_none", ["no replicate of 'none'"]),
        ("no_best", ["no replicate of 'best'"]),
        ("running_replicate", ["'best-1' is running", "'best-2' is failed"]),
    ],
)  # fmt: skip
def test_incomplete_studies_say_what_is_missing(
    new_store: Callable[[], Path], case: str, expected: list[str]
) -> None:
    study = StudyWriter(new_store(), task="xnli")
    if case == "empty":
        study.tracker.set_tags(study.run_id, {"mlctl.task": "", "mlctl.languages": ""})
        expected = ["no trial", "name a task"]
    elif case == "running":
        study.trial(0, level(0.5), variant="none", levels="none")
        study.trial(1, level(0.4), state=None)
    elif case == "failed":
        study.trial(0, None, state=RunState.FAILED)
        study.tracker.finish(study.run_id, RunState.FAILED)
    elif case == "one_trial":
        study.trial(0, level(0.5))
    elif case == "no_none":
        study.replicate("best", 0, level(0.5))
    elif case == "no_best":
        study.replicate("none", 0, level(0.5))
    elif case == "running_replicate":
        study.replicate("none", 0, level(0.5))
        study.replicate("best", 0, level(0.7))
        study.replicate("best", 1, level(0.7), state=None)
        study.replicate("best", 2, level(0.7), state=RunState.FAILED)
    if case not in ("running", "failed"):
        study.finish()
    data = build(study)
    assert data["answer"]["verdict"] == "undecided"
    missing = " ".join(data["missing"])
    for part in expected:
        assert part in missing
    page = (study.folder / "reports" / "synthetic" / "index.html").read_text()
    assert "What is missing" in page
