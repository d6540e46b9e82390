"""A whole small study by its command: Ray, the Optuna journal, MLflow and the report, all real."""

from __future__ import annotations

import json

import optuna
import pytest
import torch
from optuna.trial import TrialState
from small_study import RanStudy, alive, journal, refusal
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from mlctl_ray.config import RunConfig, parse_yaml, validate
from mlctl_ray.tracking import RunState, StudyReader, StudyRecord

ENDS = {
    TrialState.COMPLETE: RunState.FINISHED,
    TrialState.PRUNED: RunState.PRUNED,
    TrialState.FAIL: RunState.FAILED,
}


@pytest.fixture(scope="module")
def trials(ran: RanStudy) -> list[optuna.trial.FrozenTrial]:
    return journal(ran.place.root)


@pytest.fixture(scope="module")
def record(ran: RanStudy) -> StudyRecord:
    return StudyReader(ran.place.uri).read("tiny")


def test_command_ends_well_and_says_where_everything_is(ran: RanStudy) -> None:
    assert ran.done.code == 0, ran.done.err
    assert "trials by mean_zero_shot on validation" in ran.done.out
    assert "confirmation on test" in ran.done.out
    assert f"mlflow ui --backend-store-uri {ran.place.uri}" in ran.done.out
    page = ran.place.folder / "reports" / "tiny" / "index.html"
    assert "report: reports/tiny/index.html" in ran.done.out
    assert "tiny" in page.read_text(encoding="utf-8")


def test_output_holds_no_noise(ran: RanStudy) -> None:
    assert ran.done.err == ""
    noise = ("Warning", "warning", "Writing model shards", "it/s]", "ray::", "Trial status")
    assert [line for line in ran.done.out.splitlines() if any(n in line for n in noise)] == []


def test_journal_and_store_agree_on_every_trial(
    trials: list[optuna.trial.FrozenTrial], record: StudyRecord
) -> None:
    assert [trial.number for trial in trials] == list(range(7))
    assert [run.number for run in record.trials] == list(range(7))
    assert [run.state for run in record.trials] == [ENDS[trial.state] for trial in trials]
    assert {trial.state for trial in trials} == set(ENDS)


def test_known_points_come_first(
    trials: list[optuna.trial.FrozenTrial], record: StudyRecord
) -> None:
    assert [trial.params["objective.levels"] for trial in trials[:2]] == ["none", "sentence"]
    assert trials[1].params["objective.sentence.offset.infinite"] is True
    assert [run.tags.get("mlctl.variant") for run in record.trials[:3]] == ["none", "cz-snt", None]


def test_stopped_trials_are_pruned_with_the_value_at_their_rung(
    trials: list[optuna.trial.FrozenTrial], record: StudyRecord, ran: RanStudy
) -> None:
    reader = StudyReader(ran.place.uri)
    key = record.study.tags["mlctl.objective_key"]
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        run = record.trials[trial.number]
        assert trial.intermediate_values
        assert dict(reader.history(run.run_id, key)) == pytest.approx(trial.intermediate_values)
        assert trial.last_step is not None and trial.last_step < 6
        assert run.tags["mlctl.state"] == "pruned"


def test_finished_trials_have_their_curve_and_artifacts(
    trials: list[optuna.trial.FrozenTrial], record: StudyRecord, ran: RanStudy
) -> None:
    reader = StudyReader(ran.place.uri)
    key = record.study.tags["mlctl.objective_key"]
    assert key == "validation/embedded/mean_zero_shot"
    for trial in (t for t in trials if t.state is TrialState.COMPLETE):
        run = record.trials[trial.number]
        assert [step for step, _ in reader.history(run.run_id, key)] == [2, 4, 6]
        assert run.metrics[key] == pytest.approx(trial.value)
        assert {"train/loss/total", "train/samples_per_second"} <= run.metrics.keys()
        for name in ("predictions/validation.parquet", "environment.json", "config.yaml"):
            assert reader.artifact(run.run_id, name) is not None, name
        text = reader.artifact(run.run_id, "config.yaml")
        assert text is not None
        kept = validate(RunConfig, parse_yaml(text.read_text(encoding="utf-8"), "kept"), "kept")
        assert run.params["seed"] == str(kept.seed)
        assert kept.objective.levels == (
            () if trial.params["objective.levels"] == "none" else ("sentence",)
        )


def test_failed_trials_give_their_reason_and_the_search_goes_on(
    trials: list[optuna.trial.FrozenTrial], record: StudyRecord
) -> None:
    failed = {t.number: record.trials[t.number] for t in trials if t.state is TrialState.FAIL}
    refused = [
        run for number, run in failed.items() if trials[number].params["model.freeze_layers"]
    ]
    diverged = [run for number, run in failed.items() if run not in refused]
    assert refused and diverged
    assert all("freeze_layers 5" in run.tags["mlctl.error"] for run in refused)
    assert all("non-finite loss" in run.tags["mlctl.error"] for run in diverged)
    assert all("1e+38" in run.tags["mlctl.error"] for run in diverged)


def test_confirmation_pairs_the_variants_by_seed(record: StudyRecord) -> None:
    assert {(run.variant, run.state) for run in record.replicates} == {
        ("best", RunState.FINISHED),
        ("runner-up", RunState.FINISHED),
        ("none", RunState.FINISHED),
    }
    assert len({run.seed for run in record.replicates}) == 1
    assert all("test/embedded/mean_zero_shot" in run.metrics for run in record.replicates)
    assert not any(key.startswith("test/") for run in record.trials for key in run.metrics)
    by_variant = {run.variant: run for run in record.replicates}
    best, none = by_variant["best"], by_variant["none"]
    assert none.params["optimisation.learning_rate"] == best.params["optimisation.learning_rate"]


def test_study_run_is_finished_and_no_run_is_left_open(record: StudyRecord) -> None:
    assert record.study.state is RunState.FINISHED
    assert record.study.params["study.trials"] == "7"
    assert int(record.study.tags["mlctl.best_trial"]) in range(7)
    assert json.loads(record.study.tags["mlctl.space"])[0] == "objective.levels"
    runs = (*record.trials, *record.replicates)
    assert [run.name for run in runs if run.state is RunState.RUNNING] == []


def test_plan_and_spent_stand_side_by_side(ran: RanStudy, record: StudyRecord) -> None:
    assert "plan and spent; the search ended by: trials" in ran.done.out
    budget = json.loads(record.study.tags["mlctl.budget"])
    rows = {row["what"]: row for row in budget["rows"]}
    assert budget["ended_by"] == "trials"
    assert (rows["trials"]["plan"], rows["trials"]["spent"]) == (7, 7)
    assert rows["confirmation runs"]["plan"] == rows["confirmation runs"]["spent"] == 3
    hours = [run.metrics["cost/device_hours"] for run in (*record.trials, *record.replicates)
             if "cost/device_hours" in run.metrics]  # fmt: skip
    assert rows["device-hours"]["spent"] == pytest.approx(sum(hours))


def test_checkpoint_of_the_best_trial_is_kept_and_those_behind_are_deleted(
    ran: RanStudy, record: StudyRecord
) -> None:
    best = int(record.study.tags["mlctl.best_trial"])
    kept = {int(path.parent.name) for path in ran.place.root.glob("trials/*/checkpoint")}
    assert kept == {best}
    folder = ran.place.root / "trials" / f"{best:05d}" / "checkpoint"
    assert (folder / "heads.safetensors").is_file()
    assert not (folder / "training.pt").exists()
    assert list(ran.place.root.glob("trials/*/checkpoint.previous")) == []


def test_best_model_is_a_plain_folder_and_registered(ran: RanStudy, record: StudyRecord) -> None:
    assert "best model: models:/mlctl-tiny/1" in ran.done.out
    tokenizer = AutoTokenizer.from_pretrained(ran.place.root / "best")
    model = AutoModelForSeq2SeqLM.from_pretrained(ran.place.root / "best")
    ids = tokenizer("a dog ? an animal", return_tensors="pt").input_ids
    start = torch.tensor([[model.config.decoder_start_token_id]])
    logits = model(input_ids=ids, decoder_input_ids=start).logits
    assert logits.shape[:2] == (1, 1) and bool(torch.isfinite(logits).all())


def test_one_process_runs_all_trials_of_a_stage(ran: RanStudy) -> None:
    for stage in ("search", "confirmation"):
        (state,) = (ran.place.root / "tune" / stage).glob("experiment_state-*.json")
        text = state.read_text(encoding="utf-8").replace("\\", "")
        pids = {part.split(",")[0].split("}")[0].strip() for part in text.split('"pid":')[1:]}
        assert len(pids) == 1, stage


def test_no_process_is_left(ran: RanStudy) -> None:
    assert len(ran.below) > 3
    assert alive(ran.below) == []


@pytest.mark.slow
def test_resuming_a_finished_study_changes_nothing(ran: RanStudy) -> None:
    before = StudyReader(ran.place.uri).read("tiny")
    done = ran.place.search("tiny.yaml", "--resume")
    after = StudyReader(ran.place.uri).read("tiny")
    assert done.code == 0, done.err
    assert "started" not in done.out
    assert [(r.name, r.state, r.metrics) for r in after.trials] == [
        (r.name, r.state, r.metrics) for r in before.trials
    ]
    assert [r.run_id for r in after.replicates] == [r.run_id for r in before.replicates]
    assert after.study.run_id == before.study.run_id
    assert after.study.state is RunState.FINISHED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("study.name", "--resume", "--set study.name=NEW")),
        (("--resume", "--set", "study.trials=9"), ("study.trials: 9", "study.name=NEW")),
        (
            ("--resume", "--set", "optimisation.batch_size=4"),
            ("optimisation.batch_size is 4", "begun with 8"),
        ),
        (("--resume", "--set", "study.name=other"), ("no study 'other'",)),
    ],
)
def test_study_that_cannot_go_on_is_refused(
    ran: RanStudy,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ran.place.folder)
    before = (ran.place.root / "study.yaml").read_bytes()
    line = refusal("tiny.yaml", *arguments)
    assert all(word in line for word in words), line
    assert (ran.place.root / "study.yaml").read_bytes() == before
