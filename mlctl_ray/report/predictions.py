"""Predictions and pair accuracies of a run, read from its artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from ..evaluation.keys import accuracy_key
from .metrics import metric

if TYPE_CHECKING:
    from ..tracking.reader import StudyReader
    from ..tracking.records import RunRecord

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A run with its accuracy per language, from its predictions where it has them."""

    run: RunRecord
    accuracy: Mapping[str, float]
    right: pd.DataFrame | None
    """1.0 right, 0.0 wrong, NaN absent: rows example ids, columns languages."""
    problems: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """The seed; -1 for a run that has none recorded."""
        return -1 if self.run.seed is None else self.run.seed


def read_run(
    reader: StudyReader, run: RunRecord, split: str, task: str, languages: Sequence[str]
) -> ScoredRun:
    """Accuracies of ``languages``; a missing or broken file leaves the logged metrics."""
    logged = {
        language: value
        for language in languages
        if (value := metric(run, accuracy_key, split, task, language)) is not None
    }
    right, problem = _read_right(reader, run, split, languages)
    if right is None:
        return ScoredRun(run, logged, None, (problem,) if problem else ())
    computed = {str(name): float(value) for name, value in right.mean().dropna().items()}
    problems: tuple[str, ...] = ()
    off = [n for n in computed if abs(logged.get(n, computed[n]) - computed[n]) > _TOLERANCE]
    if off:
        problems = (
            f"run {run.name!r}: the logged accuracy of {', '.join(off)} differs from its "
            f"predictions on {split}; the predictions are shown",
        )
    return ScoredRun(run, {**logged, **computed}, right, problems)


def read_pairs(reader: StudyReader, run: RunRecord, split: str) -> pd.DataFrame | None:
    """Columns premise_language, hypothesis_language, accuracy, examples; ``None`` if absent."""
    path = reader.artifact(run.run_id, f"pairs/{split}.parquet")
    if path is None:
        return None
    columns = ["premise_language", "hypothesis_language", "accuracy", "examples"]
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError):
        return None


def _read_right(
    reader: StudyReader, run: RunRecord, split: str, languages: Sequence[str]
) -> tuple[pd.DataFrame | None, str]:
    path = reader.artifact(run.run_id, f"predictions/{split}.parquet")
    if path is None:
        return None, f"run {run.name!r} has no predictions of {split}: no interval from it"
    try:
        table = pd.read_parquet(path, columns=["language", "example_id", "gold", "predicted"])
    except (OSError, ValueError, KeyError) as error:
        return None, f"run {run.name!r}: predictions of {split} cannot be read ({error})"
    table = table.drop_duplicates(["language", "example_id"])
    right = (table["gold"] == table["predicted"]).astype("float32")
    wide = pd.DataFrame(
        {"id": table["example_id"], "language": table["language"], "right": right}
    ).pivot(index="id", columns="language", values="right")
    return wide.reindex(columns=pd.Index(list(languages))), ""
