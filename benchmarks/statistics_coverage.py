"""Coverage and false positives of the report's intervals and tests on synthetic results.

Run from the repository: ``python benchmarks/statistics_coverage.py``. docs/statistics.md holds its
table. Shapes: S seeds, L languages, N examples.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from mlctl_ray.report.crossed import crossed
from mlctl_ray.report.effect_sizes import cohens_h_table, difference_table
from mlctl_ray.report.statistics import bootstrap, holm, percentile

ALPHA = 0.05
LANGUAGES = 14
RESAMPLES = 600
"""Enough for a p-value below ALPHA / LANGUAGES."""
SHIFT = 0.1
"""Of the latent score, where an effect is simulated: about 4 points of accuracy."""
_ITEM, _REACTION, _NOISE = 0.5, 0.15, 0.35
Interval = tuple[float, float]
IntervalOf = Callable[[NDArray[np.float64]], Interval]
Tally = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Setting:
    """How far seeds differ, and how alike the languages are.

    Attributes:
        seed_deviation: of the latent score of a model; 0.1 is about 4 points of accuracy.
        correlation: of the languages in seeds, examples and noise.
    """

    name: str
    seed_deviation: float
    correlation: float


SETTINGS = (
    Setting("seeds alike", 0.0, 0.3),
    Setting("seeds differ little", 0.03, 0.3),
    Setting("seeds differ much", 0.15, 0.3),
    Setting("languages alike", 0.03, 0.9),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Right and wrong answers of both sides (S, L, N), and the true accuracies behind them."""

    ours: NDArray[np.float32]
    theirs: NDArray[np.float32]
    accuracy: tuple[float, float]

    @property
    def difference(self) -> float:
        """True effect on each language, and so on their mean."""
        return self.accuracy[0] - self.accuracy[1]

    @property
    def cohens_h(self) -> float:
        """True 2 asin sqrt(p) of ours minus theirs."""
        ours, theirs = (2 * math.asin(math.sqrt(p)) for p in self.accuracy)
        return ours - theirs


def simulate(
    rng: np.random.Generator, setting: Setting, seeds: int, languages: int, examples: int,
    shift: float,
) -> Sample:  # fmt: skip
    """A probit model: right where shift + seed + item + reaction + noise > 0.

    An item is as hard for both sides; a reaction is a side's own to an item, under each seed. With
    one seed the true accuracies are those of the two models at hand.
    """

    def normal(variance: float, *shape: int) -> NDArray[np.float32]:
        """Normal with the languages on axis 1 correlated; shape[1] is their number."""
        own = rng.standard_normal(shape, dtype=np.float32)
        common = rng.standard_normal((shape[0], 1, *shape[2:]), dtype=np.float32)
        rho = setting.correlation
        mixed: NDArray[np.float32] = np.float32(math.sqrt(variance * (1 - rho))) * own
        mixed += np.float32(math.sqrt(variance * rho)) * common
        return mixed

    item = normal(_ITEM, 1, languages, examples)
    sides, accuracy = [], []
    for level in (shift, 0.0):
        seed = normal(setting.seed_deviation**2, seeds, languages, 1)
        reaction = normal(_REACTION, 1, languages, examples)
        noise = normal(_NOISE, seeds, languages, examples)
        latent = level + seed + item + reaction + noise
        sides.append((latent > 0).astype(np.float32))
        if seeds == 1:
            accuracy.append(float(np.mean(ndtr(level + seed.astype(np.float64)))))
        else:
            accuracy.append(float(ndtr(level / math.sqrt(1 + setting.seed_deviation**2))))
    return Sample(sides[0], sides[1], (accuracy[0], accuracy[1]))


def primary(table: NDArray[np.float64]) -> Interval:
    """The report's interval of a table's mean."""
    return crossed(table, resolution=1 / table.shape[1]).interval()


def pooled(table: NDArray[np.float64]) -> Interval:
    """A wrong one: seeds are taken for further examples."""
    return primary(table.reshape(1, -1))


def satterthwaite(table: NDArray[np.float64]) -> Interval:
    """The usual one of the same model: one t with the degrees of freedom of the summed variance."""
    model = crossed(table, resolution=1 / table.shape[1])
    variance = model.standard_error**2
    if not model.covers_seeds:
        return model.interval()
    parts = model.seed_part**2 / (model.seeds - 1) + model.example_part**2 / (model.examples - 1)
    half = -float(stdtrit(variance**2 / parts, ALPHA / 2)) * model.standard_error
    return model.mean - half, model.mean + half


def bootstrapped(table: NDArray[np.float64]) -> Interval:
    """The report's second opinion."""
    found = percentile(bootstrap(table[:, None, :], resamples=RESAMPLES))
    return found.low, found.high


def coverage(
    interval: IntervalOf, setting: Setting, *, seeds: int, examples: int, repetitions: int,
    seed: int = 0, languages: int = LANGUAGES, shift: float = SHIFT,
) -> float:  # fmt: skip
    """Share of repetitions in which the interval of the mean over languages holds the truth."""
    rng = np.random.default_rng([seed, seeds, SETTINGS.index(setting)])
    held = 0
    for _ in range(repetitions):
        sample = simulate(rng, setting, seeds, languages, examples, shift)
        low, high = interval(difference_table(sample.ours, sample.theirs))
        held += low <= sample.difference <= high
    return held / repetitions


INTERVALS: Mapping[str, IntervalOf] = {
    "cover": primary,
    "cover boot": bootstrapped,
    "cover one t": satterthwaite,
    "pooled": pooled,
}


def effect_repetition(rng: np.random.Generator, setting: Setting, seeds: int, examples: int,
                      tally: Tally) -> None:  # fmt: skip
    """Which intervals hold the truth where there is an effect."""
    sample = simulate(rng, setting, seeds, LANGUAGES, examples, SHIFT)
    table = difference_table(sample.ours, sample.theirs)
    for name, interval in INTERVALS.items():
        low, high = interval(table)
        tally[name].append(low <= sample.difference <= high)
    low, high = crossed(cohens_h_table(sample.ours, sample.theirs)).interval()
    tally["cover h"].append(low <= sample.cohens_h <= high)


def null_repetition(rng: np.random.Generator, setting: Setting, seeds: int, examples: int,
                    tally: Tally) -> None:  # fmt: skip
    """False positives of the mean, of single languages, and of any language after Holm."""
    sample = simulate(rng, setting, seeds, LANGUAGES, examples, 0.0)
    pairs = [(sample.ours, sample.theirs)]
    pairs += [(sample.ours[:, [n]], sample.theirs[:, [n]]) for n in range(LANGUAGES)]
    tables = [difference_table(*pair) for pair in pairs]
    drawn = bootstrap(np.stack(tables, axis=1), resamples=RESAMPLES)
    for suffix, p_values in (
        ("", [crossed(table, resolution=1 / examples).p_value() for table in tables]),
        (" boot", [percentile(drawn[:, place]).p for place in range(len(tables))]),
    ):
        tally[f"false{suffix}"].append(p_values[0] < ALPHA)
        tally[f"language{suffix}"].append(float(np.mean(np.array(p_values[1:]) < ALPHA)))
        tally[f"family{suffix}"].append(min(holm(p_values[1:])) < ALPHA)


MEASURES: Mapping[str, str] = {
    "cover": "coverage of the 95% interval of the mean over languages",
    "cover boot": "the same of the bootstrap's",
    "cover one t": "the same of Satterthwaite's with one t (not in the report)",
    "cover h": "coverage of the interval of Cohen's h",
    "pooled": "coverage if seeds were pooled as examples (wrong)",
    "false": "false positives at .05 of the mean",
    "false boot": "the same of the bootstrap",
    "language": "false positives at .05 of a single language",
    "language boot": "the same of the bootstrap",
    "family": "any false positive of 14 languages after Holm",
    "family boot": "the same of the bootstrap",
}


def measured(
    setting: Setting, *, seeds: int, examples: int, repetitions: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Each measure with its Monte Carlo standard error.

    With one seed nothing is said about other seeds, and the null repetitions, whose models differ
    by their seeds, are left out.
    """
    rng = np.random.default_rng([seed, seeds, examples, SETTINGS.index(setting)])
    tally: Tally = {name: [] for name in MEASURES}
    for _ in range(repetitions):
        effect_repetition(rng, setting, seeds, examples, tally)
        if seeds > 1 or setting.seed_deviation == 0:
            null_repetition(rng, setting, seeds, examples, tally)
    return {
        name: (float(np.mean(values)), float(np.std(values)) / math.sqrt(len(values)))
        for name, values in tally.items()
        if values
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table as Markdown, in percent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 5, 10])
    parser.add_argument("--examples", type=int, nargs="+", default=[300, 2490])
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for name, meaning in MEASURES.items():
        typer.echo(f"- {name}: {meaning}")
    typer.echo(
        f"\nIn percent, ± Monte Carlo standard error; {options.repetitions} repetitions a row.\n"
    )
    typer.echo("| setting | seeds | examples | " + " | ".join(MEASURES) + " |")
    typer.echo("|---|--:|--:|" + "--:|" * len(MEASURES))
    for examples in options.examples:
        for setting in SETTINGS:
            for seeds in options.seeds:
                found = measured(
                    setting,
                    seeds=seeds,
                    examples=examples,
                    repetitions=options.repetitions,
                    seed=options.seed,
                )
                cells = (
                    f"{100 * found[name][0]:.1f} ± {100 * found[name][1]:.1f}"
                    if name in found
                    else "–"
                    for name in MEASURES
                )
                typer.echo(f"| {setting.name} | {seeds} | {examples} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
