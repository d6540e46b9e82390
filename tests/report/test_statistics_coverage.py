"""The benchmark's simulations in small: the report's intervals hold their level, others do not.

A share of R repetitions is taken as nominal within three binomial standard errors.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mlctl_ray.report.crossed import crossed
from mlctl_ray.report.effect_sizes import log_odds_table

LANGUAGES, EXAMPLES, REPETITIONS = 4, 150, 400


def load() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "statistics_coverage.py"
    spec = importlib.util.spec_from_file_location("statistics_coverage", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = load()
ALIKE, LITTLE, MUCH, TRANSLATIONS = bench.SETTINGS


def slack(level: float, repetitions: int = REPETITIONS) -> float:
    return 3 * math.sqrt(level * (1 - level) / repetitions)


def covered(interval: object, setting: object, seeds: int) -> float:
    share: float = bench.coverage(
        interval, setting, seeds=seeds, examples=EXAMPLES, repetitions=REPETITIONS,
        languages=LANGUAGES,
    )  # fmt: skip
    return share


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("setting", bench.SETTINGS, ids=lambda s: s.name)
def test_interval_covers_the_true_effect_at_least_at_its_level(setting: object, seeds: int) -> None:
    assert covered(bench.primary, setting, seeds) >= 0.95 - slack(0.95)


@pytest.mark.parametrize("seeds", [1, 3, 5, 10])
def test_interval_is_not_wider_than_needed_where_seeds_decide(seeds: int) -> None:
    # Here the interval is nearly the t of the seeds' means, which is exact.
    assert covered(bench.primary, MUCH, seeds) <= 0.97 + slack(0.97)


@pytest.mark.parametrize(
    ("wrong", "setting", "seeds"),
    [("pooled", MUCH, 3), ("pooled", LITTLE, 5), ("bootstrapped", MUCH, 2)],
)
def test_wrong_methods_are_told_from_the_right_one(wrong: str, setting: object, seeds: int) -> None:
    assert covered(getattr(bench, wrong), setting, seeds) < 0.95 - slack(0.95)


def test_false_positives_of_the_mean_and_of_the_family_hold_their_level() -> None:
    rng = np.random.default_rng(8)
    tally: dict[str, list[float]] = {name: [] for name in bench.MEASURES}
    repetitions = 100
    for _ in range(repetitions):
        bench.null_repetition(rng, MUCH, 2, EXAMPLES, tally)
    limit = 0.05 + slack(0.05, repetitions)
    assert np.mean(tally["false"]) <= limit
    assert np.mean(tally["language"]) <= limit
    assert np.mean(tally["family"]) <= limit
    # The bootstrap over two seeds does not: the checks can fail.
    assert np.mean(tally["family boot"]) > limit


def test_interval_of_the_odds_ratio_covers() -> None:
    rng = np.random.default_rng(9)
    large = bench.simulate(rng, ALIKE, 1, 1, 1_000_000, 0.1)
    gained = float((large.ours > large.theirs).sum())
    true = math.log(gained / float((large.ours < large.theirs).sum()))
    held = 0
    for _ in range(REPETITIONS):
        sample = bench.simulate(rng, ALIKE, 1, 1, 300, 0.1)
        low, high = crossed(log_odds_table(sample.ours, sample.theirs)).interval()
        held += low <= true <= high
    assert held / REPETITIONS == pytest.approx(0.95, abs=slack(0.95))


def test_table_is_printed_for_chosen_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(["--seeds", "1", "2", "--examples", "30", "--repetitions", "3"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 * len(bench.SETTINGS)
    assert all(row.count("|") == 4 + len(bench.MEASURES) for row in rows)
