"""Wrong input in a study's own section is one line too."""

from __future__ import annotations

from pathlib import Path

import pytest
from wrong_files import STUDY, line_of

from mlctl_ray.config import StudyConfig, load_config
from mlctl_ray.errors import InputError


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


STUDIES = [
    ("", "", "field 'study' is missing"),
    ("seed: 1", "", "field 'study' is missing"),
    ("study: {name: s}", "", "field 'study.space' is missing"),
    (
        STUDY,
        "study.known=[cz-snd]",
        "study.known.0: 'cz-snd' is wrong: unknown variant 'cz-snd'; allowed: none, info-snt, "
        "cz-snt, info-word, cz-word, ml-ctl-info, ml-ctl-cz, la-ml-ctl-cz",
    ),
    (
        STUDY,
        "study.confirmation.variants=[cz-snt]",
        "study.confirmation: variants must hold 'none', which effects are measured against",
    ),
    (
        STUDY + "data: {retrieval: null}",
        "study.selection=retrieval",
        "study.selection 'retrieval' needs data.retrieval",
    ),
    (
        STUDY,
        "data.nli.languages=[en]",
        "study.selection 'mean_zero_shot' needs a zero-shot language",
    ),
    (
        STUDY + "data: {retrieval: null}",
        "study.also_optimise=[retrieval]",
        "study.also_optimise 'retrieval' needs data.retrieval",
    ),
    (
        STUDY,
        "study.also_optimise=[source]",
        "study.asha: must be null with study.also_optimise: a trial that is behind by one "
        "objective may be ahead by another",
    ),
    (
        STUDY,
        "study.also_optimise=[mean_zero_shot]",
        "study.also_optimise names an objective twice",
    ),
    (
        STUDY,
        "study.also_optimise=[source, source]",
        "study.also_optimise names an objective twice",
    ),
    (
        STUDY,
        "study.also_optimise=[cost]",
        "study.also_optimise.0: 'cost' is wrong: "
        "input should be 'mean_zero_shot', 'source', 'retrieval' or 'device_hours'",
    ),
    (
        STUDY,
        "study.constraints={xx: {at_least: 0.5}}",
        "study.constraints.xx: is no measure; allowed: mean_zero_shot, source, retrieval, "
        "device_hours, or a language: en, de, es, ru, tr, zh",
    ),
    (
        STUDY + "data: {retrieval: null}",
        "study.constraints={retrieval: {at_least: 0.5}}",
        "study.constraints 'retrieval' needs data.retrieval",
    ),
    (
        STUDY,
        "study.constraints={de: {}}",
        "study.constraints.de: needs at_least, at_most or both",
    ),
    (
        STUDY,
        "study.constraints={de: {at_least: 0.6, at_most: 0.5}}",
        "study.constraints.de: at_least 0.6 is above at_most 0.5",
    ),
    (
        STUDY,
        "study.constraints={de: {at_least: .nan}}",
        "study.constraints.de.at_least: nan is wrong: input should be a finite number",
    ),
    (
        STUDY,
        "study.constraints={de: {at_leest: 0.5}}",
        "unknown field 'study.constraints.de.at_leest'; did you mean 'at_least'?",
    ),
    (
        STUDY,
        "study.max_cost=10",
        "study.max_cost: needs study.price_per_device_hour above 0",
    ),
    (
        STUDY,
        "study.max_device_hours=0",
        "study.max_device_hours: 0 is wrong: input should be greater than 0",
    ),
    (
        STUDY,
        "study.retries={errors: -1}",
        "study.retries.errors: -1 is wrong: input should be greater than or equal to 0",
    ),
    (
        STUDY,
        "study.retries={preemptons: 1}",
        "unknown field 'study.retries.preemptons'; did you mean 'preemptions'?",
    ),
    (
        STUDY,
        "study.terminator={min_trials: 0}",
        "study.terminator.min_trials: 0 is wrong: input should be greater than 0",
    ),
    (
        STUDY,
        "study.terminator={standard_errors: 0}",
        "study.terminator.standard_errors: 0 is wrong: input should be greater than 0",
    ),
    (
        STUDY,
        "study.keep_checkpoints=-1",
        "study.keep_checkpoints: -1 is wrong: input should be greater than or equal to 0",
    ),
    (
        STUDY,
        "study.optuna_storage=redis://host",
        "study.optuna_storage: 'redis://host' is wrong: "
        "string should match pattern '^(sqlite|postgresql|mysql)(\\+\\w+)?://.+'",
    ),
    (
        STUDY,
        "study.confirmation.runner_up=maybe",
        "study.confirmation.runner_up: 'maybe' is wrong: input should be true or false",
    ),
    (
        STUDY,
        "study.name=../x",
        "study.name: '../x' is wrong: "
        "string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'",
    ),
    (
        STUDY,
        "objective.mutli.weight=1",
        "unknown field 'objective.mutli'; did you mean 'multi'?",
    ),
]


@pytest.mark.parametrize(("text", "assignment", "expected"), STUDIES)
def test_a_wrong_study(text: str, assignment: str, expected: str) -> None:
    assert line_of(text, *([assignment] if assignment else [])) == f"study.yaml: {expected}"


def test_several_objectives_with_limits() -> None:
    Path("study.yaml").write_text(STUDY, encoding="utf-8")
    assignments = [
        "study.asha=null",
        "study.also_optimise=[device_hours, source]",
        "study.constraints={de: {at_least: 0.5}, device_hours: {at_most: 2}}",
        "study.max_cost=10",
        "study.price_per_device_hour=0.5",
        "study.optuna_storage=postgresql+psycopg2://user@host/db",
    ]
    study = load_config(StudyConfig, "study.yaml", assignments).study
    assert study.also_optimise == ("device_hours", "source")
    assert (study.constraints["de"].at_least, study.constraints["de"].at_most) == (0.5, None)
    with pytest.raises(InputError, match=r"study\.terminator: must be null with"):
        load_config(StudyConfig, "study.yaml", [*assignments, "study.terminator={}"])
