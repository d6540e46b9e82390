"""Evaluation of a model on one split: accuracies, predictions, pair matrix, retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..config import EvaluationConfig
from ..model import MlctlModel
from . import keys
from .data import EvaluationData, PairCells
from .retrieval import retrieval_accuracy
from .scoring import label_log_probabilities, sentence_embeddings
from .workers import Workers


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics by key, the predictions of every example, and the pair matrix in long form."""

    split: str
    metrics: Mapping[str, float]
    predictions: pd.DataFrame
    pairs: pd.DataFrame | None

    def write(self, folder: Path) -> None:
        """Write ``predictions/<split>.parquet`` and, if there is one, ``pairs/<split>.parquet``."""
        for name, table in (("predictions", self.predictions), ("pairs", self.pairs)):
            if table is not None:
                (folder / name).mkdir(parents=True, exist_ok=True)
                table.to_parquet(folder / name / f"{self.split}.parquet", index=False)


def evaluate_model(
    model: MlctlModel,
    data: EvaluationData,
    config: EvaluationConfig,
    *,
    workers: Workers = Workers(),  # noqa: B008 - frozen
    precision: str = "fp32",
    complete: bool = True,
    retrieval: bool = True,
) -> Evaluation:
    """Score every example of every language in one go.

    Args:
        complete: also the pair matrix; left out at intermediate rungs.
        retrieval: also retrieval, where the data has pairs for it.
    """
    scores = label_log_probabilities(
        model,
        data.table.ids,
        token_budget=config.token_budget,
        workers=workers,
        precision=precision,
    )
    predictions = _predictions(data, scores)
    metrics = _accuracies(data, predictions, config.unreadable_threshold)
    if retrieval:
        metrics |= _retrieval(model, data, config, workers, precision)
    pairs = None
    if complete and data.pairs is not None:
        pair_scores = label_log_probabilities(
            model,
            data.pairs.table.ids,
            token_budget=config.token_budget,
            workers=workers,
            precision=precision,
        )
        pairs = _pair_matrix(data.pairs, pair_scores)
    return Evaluation(data.split, metrics, predictions, pairs)


def _predictions(data: EvaluationData, scores: NDArray[np.float32]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "language": np.repeat(np.asarray(data.languages), data.counts),
            "example_id": np.asarray(data.table.example_ids),
            "gold": np.asarray(data.table.labels, dtype=np.int8),
            "predicted": scores.argmax(1).astype(np.int8),
            "logp_entailment": scores[:, 0],
            "logp_neutral": scores[:, 1],
            "logp_contradiction": scores[:, 2],
        }
    )


def _accuracies(
    data: EvaluationData, predictions: pd.DataFrame, threshold: float
) -> dict[str, float]:
    right = predictions["gold"] == predictions["predicted"]
    by_language = right.groupby(predictions["language"]).mean()
    accuracy = {language: float(by_language[language]) for language in data.languages}
    targets = [language for language in data.languages if language != data.source]
    readable = [language for language in targets if data.unreadable[language] <= threshold]
    metrics = {
        keys.accuracy_key(data.split, data.task, language): value
        for language, value in accuracy.items()
    }
    metrics[keys.mean_key(data.split, data.task)] = float(np.mean(list(accuracy.values())))
    for key, languages in (
        (keys.mean_zero_shot_key(data.split, data.task), targets),
        (keys.mean_readable_key(data.split, data.task), readable),
    ):
        if languages:
            metrics[key] = float(np.mean([accuracy[language] for language in languages]))
    metrics |= {keys.unreadable_key(name): share for name, share in data.unreadable.items()}
    return metrics


def _retrieval(
    model: MlctlModel,
    data: EvaluationData,
    config: EvaluationConfig,
    workers: Workers,
    precision: str,
) -> dict[str, float]:
    metrics = {}
    for language, pairs in data.retrieval.items():
        source, target = (
            sentence_embeddings(
                model,
                side,
                token_budget=config.token_budget,
                workers=workers,
                precision=precision,
            )
            for side in (pairs.source, pairs.target)
        )
        metrics[keys.retrieval_key(data.split, language)] = retrieval_accuracy(source, target).mean
    if metrics:
        metrics[keys.mean_key(data.split, keys.RETRIEVAL)] = float(np.mean(list(metrics.values())))
    return metrics


def _pair_matrix(cells: PairCells, scores: NDArray[np.float32]) -> pd.DataFrame:
    right = scores.argmax(1) == np.asarray(cells.table.labels)
    accuracy = right.reshape(len(cells.cells), cells.examples).mean(1)
    return pd.DataFrame(
        {
            "premise_language": [a for a, _ in cells.cells],
            "hypothesis_language": [b for _, b in cells.cells],
            "accuracy": accuracy,
            "examples": cells.examples,
        }
    )
