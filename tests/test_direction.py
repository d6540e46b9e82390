"""The embedded corpus shows the direction of the effects (slow: a study of several minutes)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlctl_ray.config import BASELINE, StudyConfig, load_config
from mlctl_ray.evaluation import keys
from mlctl_ray.search.study import run_study

DEMO = Path(__file__).parents[1] / "search_spaces" / "demo.yaml"
CHANCE = 1 / 3


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_alignment_lifts_zero_shot_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`none` masters the source and stays at chance elsewhere; ml-ctl-cz transfers."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "study.trials": "1",
        "study.known": "[ml-ctl-cz]",
        "study.confirmation.replicates": "1",
        "study.storage": str(tmp_path / "runs"),
        "data.cache": str(tmp_path / "cache"),
    }
    config = load_config(StudyConfig, DEMO, [f"{name}={value}" for name, value in settings.items()])
    result = run_study(config, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    metrics = {r.variant: r.metrics for r in result.replicates}
    zero_shot = keys.mean_zero_shot_key("test", "embedded")
    source = keys.accuracy_key("test", "embedded", "en")
    none, best = metrics[BASELINE], metrics["best"]
    assert none is not None
    assert best is not None
    assert none[source] > 0.9
    assert abs(none[zero_shot] - CHANCE) < 0.04
    assert best[source] > 0.7
    assert best[zero_shot] > none[zero_shot] + 0.10
    rows = pd.read_parquet(
        next(Path(result.folder).glob("replicates/best-*/predictions/test.parquet"))
    )
    targets = rows[rows["language"] != "en"]
    by_language = (targets["gold"] == targets["predicted"]).groupby(targets["language"]).mean()
    assert by_language.mean() == pytest.approx(best[zero_shot])
