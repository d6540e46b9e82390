"""Small studies with known predictions, written through the real tracker into a tmp SQLite file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlctl_ray.evaluation.keys import accuracy_key, mean_zero_shot_key, unreadable_key
from mlctl_ray.tracking import RunState, Tracker

LANGUAGES = ("en", "de", "sw", "zh")
UNREADABLE = {"en": 0.0, "de": 0.001, "sw": 0.0, "zh": 0.95}
SPACE = ("objective.levels", "objective.multi.temperature", "optimisation.learning_rate")


def predictions(accuracy: Mapping[str, float], *, examples: int, noise: int) -> pd.DataFrame:
    """Predictions whose gold labels and hard examples are the same for every run."""
    gold = np.arange(examples) % 3
    common = np.random.default_rng(7).random(examples)
    rng = np.random.default_rng(noise)
    frames = []
    for language, share in accuracy.items():
        hardness = 0.5 * common + 0.5 * rng.random(examples)
        right = hardness <= np.quantile(hardness, share)
        predicted = np.where(right, gold, (gold + 1) % 3)
        frames.append(
            pd.DataFrame(
                {
                    "language": language,
                    "example_id": np.arange(examples),
                    "gold": gold.astype(np.int8),
                    "predicted": predicted.astype(np.int8),
                    "logp_entailment": -1.0,
                    "logp_neutral": -1.0,
                    "logp_contradiction": -1.0,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def pairs(languages: Sequence[str], base: float) -> pd.DataFrame:
    rows = [
        (a, b, base + (0.15 if a == b else 0.0) + 0.02 * (i % 7), 50)
        for i, (a, b) in enumerate((a, b) for a in languages for b in languages)
    ]
    return pd.DataFrame(
        rows, columns=["premise_language", "hypothesis_language", "accuracy", "examples"]
    )


@dataclass
class StudyWriter:
    """Writes one study; ``accuracy`` of a run is by language."""

    folder: Path
    name: str = "synthetic"
    task: str = "xnli"
    languages: tuple[str, ...] = LANGUAGES
    examples: int = 300
    study_tags: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 0.2

    def __post_init__(self) -> None:
        self.uri = f"sqlite:///{self.folder / 'mlflow.db'}"
        self.tracker = Tracker(self.uri, self.name)
        tags = {
            "mlctl.task": self.task,
            "mlctl.source": self.languages[0],
            "mlctl.languages": ",".join(self.languages),
            "mlctl.selection": "mean_zero_shot",
            "mlctl.objective_key": f"validation/{self.task}/mean_zero_shot",
            "mlctl.space": json.dumps(SPACE),
            **self.study_tags,
        }
        params = {"evaluation.unreadable_threshold": self.threshold, "model.scratch.d_model": 128}
        self.run_id = self.tracker.start_study(params, tags)
        self.tracker.log_text(
            self.run_id,
            json.dumps({"python": "3.11", "packages": {"torch": "2"}, "gpus": []}),
            "environment.json",
        )
        self.tracker.log_text(self.run_id, "study:\n  name: synthetic\n", "config.yaml")

    def trial(
        self,
        number: int,
        accuracy: Mapping[str, float] | None,
        *,
        variant: str | None = None,
        state: RunState | None = RunState.FINISHED,
        levels: str = "multi+label",
        temperature: str = "0.0712345",
        tags: Mapping[str, str] | None = None,
        hours: float = 0.25,
    ) -> str:
        params = dict(zip(SPACE, (levels, temperature, 1e-3), strict=True))
        tags = {**({"mlctl.variant": variant} if variant else {}), **(tags or {})}
        run_id = self.tracker.start_trial(
            self.run_id, number=number, name=f"trial-{number}", params=params, tags=tags
        )
        if accuracy:
            self._log(run_id, "validation", accuracy, noise=1000 + number, hours=hours)
        if state:
            self.tracker.finish(run_id, state)
        return run_id

    def replicate(
        self,
        variant: str,
        seed: int,
        accuracy: Mapping[str, float],
        *,
        levels: str = "multi+label",
        state: RunState | None = RunState.FINISHED,
        noise: int | None = None,
        with_files: bool = True,
    ) -> str:
        params = {"objective.levels": "none" if variant == "none" else levels, "seed": seed}
        run_id = self.tracker.start_replicate(
            self.run_id, variant=variant, seed=seed, name=f"{variant}-{seed}", params=params
        )
        default = seed * 31 + sum(map(ord, variant))
        self._log(run_id, "test", accuracy, noise=default if noise is None else noise,
                  with_files=with_files)  # fmt: skip
        if state:
            self.tracker.finish(run_id, state)
        return run_id

    def finish(self, best_trial: int | None = None) -> None:
        if best_trial is not None:
            self.tracker.set_tags(self.run_id, {"mlctl.best_trial": str(best_trial)})
        self.tracker.finish(self.run_id, RunState.FINISHED)

    def _log(
        self, run_id: str, split: str, accuracy: Mapping[str, float], *, noise: int,
        with_files: bool = True, hours: float = 0.25,
    ) -> None:  # fmt: skip
        table = predictions(accuracy, examples=self.examples, noise=noise)
        right = (table["gold"] == table["predicted"]).groupby(table["language"]).mean()
        metrics: dict[str, Any] = {"cost/device_hours": hours}
        for language in accuracy:
            if language.isalnum() and language.isascii():
                metrics[accuracy_key(split, self.task, language)] = right[language]
                metrics[unreadable_key(language)] = UNREADABLE.get(language, 0.0)
        targets = [language for language in accuracy if language != self.languages[0]]
        metrics[mean_zero_shot_key(split, self.task)] = float(right[targets].mean())
        self.tracker.log_metrics(run_id, metrics, step=10)
        if not with_files:
            return
        local = self.folder / "local" / run_id
        for kind, content in (
            ("predictions", table),
            ("pairs", pairs(list(accuracy), 0.6 * sum(accuracy.values()) / len(accuracy))),
        ):
            (local / kind).mkdir(parents=True)
            content.to_parquet(local / kind / f"{split}.parquet")
        self.tracker.log_artifacts(run_id, local)


def level(
    value: float, languages: Sequence[str] = LANGUAGES, source: float = 0.9
) -> dict[str, float]:
    """One accuracy for every zero-shot language."""
    return {name: source if name == languages[0] else value for name in languages}


def confirmed_study(
    folder: Path, *, effect: float, seeds: int = 3, trials: bool = True, **options: Any
) -> StudyWriter:
    """A finished study with replicates of none and best, and five trials with ml-ctl-cz too."""
    study = StudyWriter(folder, **options)
    names = study.languages
    if trials:
        study.trial(0, level(0.45, names), variant="none", levels="none")
        study.trial(1, level(0.62, names), variant="ml-ctl-cz", levels="multi")
        study.trial(2, level(0.70, names))
        study.trial(3, level(0.35, names, 0.5), state=RunState.PRUNED)
        study.trial(4, None, state=RunState.FAILED)
    for seed in range(seeds):
        study.replicate("none", seed, level(0.5, names))
        study.replicate("best", seed, level(0.5 + effect, names))
        if trials:
            study.replicate("ml-ctl-cz", seed, level(0.5 + effect / 2, names), levels="multi")
    study.finish(best_trial=2)
    return study
