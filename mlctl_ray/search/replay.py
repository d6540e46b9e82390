"""Running a trial of a study again, to the same numbers on the same machine."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..config import StudyConfig, validate
from ..config.run import RunConfig
from ..errors import InputError
from ..evaluation.keys import DEVICE_HOURS, SAMPLES_PER_SECOND
from ..training.ray_adapter import local_device
from ..training.reports import Report, read_reports
from ..training.run import run_training
from .book import Book
from .folder import StudyFolder
from .proposal import propose_again
from .resumption import check_folder
from .search_stage import trial_run
from .storage import load_study

_TIMES = (DEVICE_HOURS, SAMPLES_PER_SECOND)
"""Metrics that no two runs share."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay.

    Attributes:
        same: its values were proposed again, and every metric of every evaluation is equal.
        line: that in words.
    """

    same: bool
    line: str


class _Enough(Exception):
    """The replay has come as far as the trial did."""


def replay_trial(
    config: StudyConfig, number: int, *, say: Callable[[str], None] = lambda line: None
) -> Replayed:
    """Propose a trial again from what the sampler knew, train it again, and compare.

    It runs in this process, in a folder of its own; the study is only read.

    Raises:
        InputError: no such trial, one that was imported or refused, or several workers.
    """
    folder = StudyFolder.of(config)
    check_folder(config, folder, resume=True)
    book = Book(config, load_study(config, folder))
    _check_trial(config, book, folder, number)
    again = _proposed_again(book, number)
    say(f"trial {number}: " + ("proposed again" if again else "proposed otherwise"))
    run = validate(RunConfig, trial_run(config, number, book.values(number)), f"trial {number}")
    place = folder.replay(number)
    shutil.rmtree(place, ignore_errors=True)
    before = {report.step: report for report in read_reports(folder.trial(number))}
    last = max(before)

    def compare(report: Report) -> None:
        differing = _differing(before.get(report.step), report)
        verdict = "equal" if not differing else f"{len(differing)} metrics differ"
        say(f"trial {number} step {report.step}: {verdict}")
        if report.step == last and not report.final:
            raise _Enough

    with suppress(_Enough):
        run_training(run, place, workers=local_device(run.scaling), report=compare)
    reports = {report.step: report for report in read_reports(place)}
    differing = [
        name for step, report in before.items() for name in _differing(reports.get(step), report)
    ]
    if again and not differing:
        return Replayed(True, f"trial {number}: replayed to the same numbers, {last} steps")
    what = f"{differing[0]} and {len(differing) - 1} more differ" if differing else "metrics equal"
    return Replayed(False, f"trial {number}: values proposed again: {again}; {what}; see {place}")


def _check_trial(config: StudyConfig, book: Book, folder: StudyFolder, number: int) -> None:
    own = {trial.number for trial in book.own_trials()}
    if number not in own:
        raise InputError(
            f"--replay: no trial {number} in study {config.study.name!r}; it has "
            f"{', '.join(map(str, sorted(own))) or 'none'}"
        )
    if not read_reports(folder.trial(number)):
        raise InputError(
            f"--replay: trial {number} was never evaluated, so nothing can be compared"
        )
    if config.scaling.workers > 1:
        raise InputError(
            f"--replay: scaling.workers is {config.scaling.workers}; allowed: 1, since sums over "
            "workers are not repeatable to the bit"
        )


def _proposed_again(book: Book, number: int) -> bool:
    ask = book.ask(number)
    if ask is None:
        return False
    proposal = propose_again(book.config, book.trials(), number, ask)
    return dict(proposal.params) == dict(book.trial(number).params)


def _differing(one: Report | None, other: Report) -> list[str]:
    """Names of the metrics that differ, times left out."""
    if one is None:
        return [f"step {other.step}"]
    return [
        f"{name} at step {other.step}"
        for name, value in other.metrics.items()
        if name not in _TIMES and not _equal(one.metrics, name, value)
    ]


def _equal(metrics: Mapping[str, float], name: str, value: float) -> bool:
    held = metrics.get(name, math.inf)
    return held == value or (math.isnan(held) and math.isnan(value))
