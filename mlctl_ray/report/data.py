"""From a study's record to `ReportData`: the one place where a report's numbers are computed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config.variants import BASELINE, VARIANTS
from ..evaluation.keys import parse_accuracy_key, unreadable_key
from .answer import answer_of
from .comparison import Languages, compare
from .metrics import finite, metric
from .objectives import budget_of
from .paired import paired_seeds
from .pairs import pair_matrices
from .predictions import ScoredRun, read_pairs, read_run
from .published import published_rows
from .ranking import latest_trials, search_of, variant_of
from .values import Comparison, PairMatrices, ReportData, Reproducibility, Search

if TYPE_CHECKING:
    from ..tracking.reader import StudyReader
    from ..tracking.records import RunRecord, StudyRecord

SELECTED = "best"
"""Variant name of the best trial's replicates."""
RUNNER_UP = "runner-up"
"""Variant name of the second best trial's replicates; never what the report selects."""
_UNREADABLE_THRESHOLD = 0.2
_QUESTION_VARIANT = "la-ml-ctl-cz"


@dataclass(frozen=True, slots=True)
class _Compared:
    """The runs behind the per-language table."""

    split: str
    confirmed: bool
    selected: str
    runs: Mapping[str, Sequence[ScoredRun]]


def report_data(reader: StudyReader, record: StudyRecord) -> ReportData:
    """Every number of the report; what a study lacks is named in ``missing``."""
    tags = record.study.tags
    task, source, names = _task(record)
    languages = Languages(source, names, _unreadable(record, names), _threshold(record))
    search = search_of(record, task, source)
    compared = _compared(reader, record, task, names, search)
    comparison = None
    if compared is not None:
        comparison = compare(
            compared.runs,
            languages,
            split=compared.split,
            confirmed=compared.confirmed,
            baseline=BASELINE,
            selected=compared.selected,
        )
    selected_run = _first(compared.runs.get(compared.selected)) if compared else None
    pairs = _pairs(reader, compared, names) if compared else None
    return ReportData(
        study=record.name,
        state=str(record.study.state),
        task=task,
        source=source,
        languages=names,
        answer=answer_of(
            comparison,
            record.study.params,
            selected_run.run.params if selected_run else {},
            tags.get("mlctl.selection"),
            task,
        ),
        missing=_missing(record, names, task, compared, comparison, pairs, search),
        comparison=comparison,
        published=published_rows(task, names),
        pairs=pairs,
        search=search,
        budget=budget_of(tags),
        reproducibility=_reproducibility(reader, record, selected_run),
    )


def _task(record: StudyRecord) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Task, source and languages from the study's tags, else from the metric keys of its runs."""
    tags = record.study.tags
    task, source = tags.get("mlctl.task"), tags.get("mlctl.source")
    languages = tuple(
        dict.fromkeys(
            n for part in tags.get("mlctl.languages", "").split(",") if (n := part.strip())
        )
    )
    if task and languages:
        return task, source, languages
    parsed = [
        key
        for run in (*record.replicates, *record.trials)
        for name in run.metrics
        if (key := parse_accuracy_key(name)) and key[1] != "retrieval"
    ]
    task = task or next((key[1] for key in parsed), None)
    found = sorted({key[2] for key in parsed if key[1] == task})
    return task, source, languages or tuple(sorted(found, key=lambda name: name != source))


def _unreadable(record: StudyRecord, languages: Sequence[str]) -> dict[str, float]:
    shares = {}
    for language in languages:
        for run in (*record.replicates, *record.trials, record.study):
            share = metric(run, unreadable_key, language)
            if share is not None:
                shares[language] = share
                break
    return shares


def _threshold(record: StudyRecord) -> float:
    try:
        value = float(record.study.params.get("evaluation.unreadable_threshold", ""))
    except ValueError:
        return _UNREADABLE_THRESHOLD
    return value if finite(value) is not None else _UNREADABLE_THRESHOLD


def _compared(
    reader: StudyReader,
    record: StudyRecord,
    task: str | None,
    languages: Sequence[str],
    search: Search,
) -> _Compared | None:
    """Finished replicates on test, else the trials of baseline and best on validation."""
    if task is None or not languages:
        return None
    finished: dict[str, dict[int | None, RunRecord]] = {}
    for run in record.replicates:
        if run.state == "finished":
            finished.setdefault(variant_of(run) or SELECTED, {})[run.seed] = run
    if finished:
        split, confirmed = "test", True
        runs = {name: list(finished[name].values()) for name in sorted(finished, key=_order)}
    else:
        split, confirmed = "validation", False
        runs = _validation_runs(record, search)
    if not runs:
        return None
    scored = {
        name: tuple(read_run(reader, run, split, task, languages) for run in group)
        for name, group in runs.items()
    }
    return _Compared(split, confirmed, _selected(scored), scored)


def _validation_runs(record: StudyRecord, search: Search) -> dict[str, list[RunRecord]]:
    trials = [run for run in latest_trials(record) if run.state == "finished"]
    runs = {BASELINE: [run for run in trials if variant_of(run) == BASELINE][:1]}
    best = [run for run in trials if run.number == search.best_trial and run.number is not None]
    return {name: group for name, group in {**runs, SELECTED: best}.items() if group}


def _order(variant: str) -> tuple[int, str]:
    known = list(VARIANTS)
    if variant in (SELECTED, RUNNER_UP):
        return len(known) + 1 + (variant == RUNNER_UP), variant
    return known.index(variant) if variant in known else len(known), variant


def _selected(runs: Mapping[str, Sequence[ScoredRun]]) -> str:
    for name in (SELECTED, _QUESTION_VARIANT):
        if name in runs:
            return name
    others = [name for name in runs if name != RUNNER_UP]
    return others[-1] if others else SELECTED


def _pairs(
    reader: StudyReader, compared: _Compared, languages: Sequence[str]
) -> PairMatrices | None:
    """Matrices of the seeds that both sides have, of the table's split."""
    ours, theirs = (
        {run.seed: table for run in compared.runs.get(name, ())
         if (table := read_pairs(reader, run.run, compared.split)) is not None}
        for name in (compared.selected, BASELINE)
    )  # fmt: skip
    if compared.confirmed:
        shared = sorted(set(ours) & set(theirs))
        sides = [ours[seed] for seed in shared], [theirs[seed] for seed in shared]
    else:
        sides = list(ours.values()), list(theirs.values())
    if compared.selected == BASELINE:
        return None
    return pair_matrices(sides[1], sides[0], languages, compared.split)


def _missing(
    record: StudyRecord,
    languages: Sequence[str],
    task: str | None,
    compared: _Compared | None,
    comparison: Comparison | None,
    pairs: PairMatrices | None,
    search: Search,
) -> tuple[str, ...]:
    notes = []
    if record.study.state == "running":
        notes.append("The study is still running: this page shows what it has logged so far.")
    elif record.study.state == "interrupted":
        notes.append("The study was interrupted: go on by --resume. What it logged is shown.")
    elif record.study.state != "finished":
        notes.append(f"The study ended as {record.study.state}: what it logged before is shown.")
    if not record.trials:
        notes.append("The study has no trial.")
    elif not search.states.get("finished"):
        notes.append("No trial has finished, so nothing is ranked.")
    if search.states.get("interrupted"):
        notes.append("Some trials were interrupted: go on by --resume.")
    if task is None or not languages:
        notes.append("Neither the study nor its runs name a task and languages with accuracies.")
    unfinished = [run for run in record.replicates if run.state != "finished"]
    notes += [f"The replicate {run.name!r} is {run.state}: left out." for run in unfinished]
    if not any(run.state == "finished" for run in record.replicates):
        notes.append("No replicate has finished: there is no confirmation on test.")
    notes += _comparison_notes(compared, comparison)
    if compared is not None and pairs is None:
        notes.append(
            f"There is no pair matrix: {BASELINE} and {compared.selected} need one on "
            f"{compared.split} with a common seed."
        )
    return tuple(notes)


def _comparison_notes(compared: _Compared | None, comparison: Comparison | None) -> list[str]:
    if compared is None or comparison is None:
        return ["There is no run to compare with the baseline, so there is no per-language table."]
    kind = "replicate" if compared.confirmed else "finished trial"
    notes = [
        f"There is no {kind} of {name!r}, so no difference can be stated."
        for name in dict.fromkeys((BASELINE, SELECTED))
        if name not in compared.runs
        and (name == BASELINE or compared.selected in (SELECTED, BASELINE))
    ]
    notes += [p for group in compared.runs.values() for run in group for p in run.problems]
    for name, group in compared.runs.items():
        base = compared.runs.get(BASELINE, ())
        if not compared.confirmed or name == BASELINE or not base:
            continue
        shared = set(paired_seeds(group, base))
        apart = sorted({run.seed for run in (*group, *base)} - shared)
        if apart:
            notes.append(
                f"Differences of {name!r} leave out seeds that it does not share with "
                f"{BASELINE!r}: {', '.join(map(str, apart))}."
            )
    notes += [
        f"No accuracy of {row.label} on {comparison.split}."
        for row in comparison.languages
        if not any(row.scores)
    ]
    return notes


def _reproducibility(
    reader: StudyReader, record: StudyRecord, selected: ScoredRun | None
) -> Reproducibility:
    study = record.study
    environment = _text(reader, study.run_id, "environment.json")
    try:
        parsed: Any = json.loads(environment) if environment else {}
    except ValueError:
        parsed = {"environment.json": "cannot be read"}
    return Reproducibility(
        tracking_uri=record.uri,
        run_id=study.run_id,
        started=study.started.isoformat(timespec="seconds") if study.started else None,
        ended=study.ended.isoformat(timespec="seconds") if study.ended else None,
        command=f"python -m mlctl_ray.report {shlex.quote(record.name)} "
        f"--tracking-uri {shlex.quote(record.uri)}",
        environment=dict(_flat(parsed)),
        config=_text(reader, study.run_id, "config.yaml"),
        selected_config=_text(reader, selected.run.run_id, "config.yaml") if selected else None,
    )


def _text(reader: StudyReader, run_id: str, path: str) -> str | None:
    file = reader.artifact(run_id, path)
    return file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else None


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            item
            for key, inner in value.items()
            for item in _flat(inner, f"{name}.{key}" if name else str(key))
        ]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return [(name, text)]


def _first(runs: Sequence[ScoredRun] | None) -> ScoredRun | None:
    return runs[0] if runs else None
