from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import run_config

from mlctl_ray.config import RunConfig
from mlctl_ray.data.examples import NliExample
from mlctl_ray.data.sources import load_nli
from mlctl_ray.errors import InputError
from mlctl_ray.evaluation import data as module
from mlctl_ray.evaluation.data import EvaluationData, load_evaluation_data
from mlctl_ray.evaluation.evaluate import Evaluation, evaluate_model
from mlctl_ray.evaluation.retrieval import retrieval_accuracy
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.trainer import Trainer

LANGUAGES = ("en", "de", "zh")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return run_config(
        tmp_path_factory.mktemp("cache"),
        optimisation__steps=6,
        optimisation__learning_rate=3e-3,
        evaluation__pair_matrix_size=24,
        model__dropout=0.3,
    )


@pytest.fixture(scope="module")
def trainer(config: RunConfig) -> Trainer:
    data = load_training_data(config.data, config.model.text)
    trained = Trainer(config, data, Workers())
    list(trained.run(frozenset()))
    return trained


@pytest.fixture(scope="module")
def data(config: RunConfig, trainer: Trainer) -> EvaluationData:
    return load_evaluation_data(
        config.data,
        trainer.data.tokenizer,
        trainer.data.prompt,
        "validation",
        task="embedded",
        pair_matrix_size=24,
    )


@pytest.fixture(scope="module")
def result(config: RunConfig, trainer: Trainer, data: EvaluationData) -> Evaluation:
    return evaluate_model(trainer.model, data, config.evaluation)


def examples(config: RunConfig, language: str) -> tuple[NliExample, ...]:
    return load_nli(config.data.nli, language, "validation", seed=config.data.seed)


def naive_log_probabilities(trainer: Trainer, premise: str, hypothesis: str) -> torch.Tensor:
    """One example, unpadded, through the whole sequence-to-sequence forward pass."""
    model = trainer.model.eval()
    text = trainer.data.prompt(premise, hypothesis)
    ids = torch.tensor([trainer.data.tokenizer.encode([text], 48)[0].ids])
    start = torch.tensor([[model.backbone.config.decoder_start_token_id]])
    with torch.no_grad():
        output = model.backbone(input_ids=ids, decoder_input_ids=start)
    return output.logits[0, 0, model.label_ids_3].log_softmax(-1)


def test_accuracies_are_those_of_a_pass_example_by_example(
    config: RunConfig, trainer: Trainer, result: Evaluation
) -> None:
    columns = ["logp_entailment", "logp_neutral", "logp_contradiction"]
    accuracies = {}
    for language in LANGUAGES:
        rows = result.predictions[result.predictions["language"] == language]
        own = examples(config, language)
        expected = torch.stack(
            [naive_log_probabilities(trainer, e.premise, e.hypothesis) for e in own]
        ).numpy()
        np.testing.assert_allclose(rows[columns].to_numpy(), expected, rtol=1e-4, atol=1e-4)
        assert rows["gold"].tolist() == [e.label for e in own]
        assert rows["example_id"].tolist() == [e.example_id for e in own]
        assert rows["predicted"].tolist() == rows[columns].to_numpy().argmax(1).tolist()
        right = [p == e.label for p, e in zip(rows["predicted"], own, strict=True)]
        accuracies[language] = sum(right) / len(right)
        key = f"validation/embedded/{language}/accuracy"
        assert result.metrics[key] == pytest.approx(accuracies[language])
    mean = sum(accuracies.values()) / 3
    assert result.metrics["validation/embedded/mean"] == pytest.approx(mean)
    zero_shot = (accuracies["de"] + accuracies["zh"]) / 2
    assert result.metrics["validation/embedded/mean_zero_shot"] == pytest.approx(zero_shot)


def test_predictions_have_these_columns_and_types(result: Evaluation, tmp_path: Path) -> None:
    import pandas as pd

    assert list(result.predictions.columns) == [
        "language",
        "example_id",
        "gold",
        "predicted",
        "logp_entailment",
        "logp_neutral",
        "logp_contradiction",
    ]
    assert result.predictions["language"].tolist() == [x for x in LANGUAGES for _ in range(24)]
    assert set(result.predictions["gold"]) == {0, 1, 2}
    result.write(tmp_path)
    read = pd.read_parquet(tmp_path / "predictions" / "validation.parquet")
    pd.testing.assert_frame_equal(read, result.predictions, check_dtype=False)
    assert result.pairs is not None
    pairs = pd.read_parquet(tmp_path / "pairs" / "validation.parquet")
    pd.testing.assert_frame_equal(pairs, result.pairs, check_dtype=False)


@pytest.mark.parametrize("budget", [1, 150, 100_000])
def test_the_token_budget_changes_nothing(
    budget: int, config: RunConfig, trainer: Trainer, data: EvaluationData, result: Evaluation
) -> None:
    settings = config.evaluation.model_copy(update={"token_budget": budget})
    found = evaluate_model(trainer.model, data, settings)
    columns = ["logp_entailment", "logp_neutral", "logp_contradiction"]
    np.testing.assert_allclose(
        found.predictions[columns], result.predictions[columns], rtol=1e-4, atol=1e-4
    )
    assert found.metrics == pytest.approx(result.metrics, abs=0.03)


def test_the_pair_matrix_crosses_premises_and_hypotheses(
    config: RunConfig, trainer: Trainer, result: Evaluation
) -> None:
    assert result.pairs is not None
    cells = result.pairs.set_index(["premise_language", "hypothesis_language"])["accuracy"]
    assert list(cells.index) == [(a, b) for a in LANGUAGES for b in LANGUAGES]
    assert set(result.pairs["examples"]) == {24}
    for language in LANGUAGES:
        key = f"validation/embedded/{language}/accuracy"
        assert cells[language, language] == pytest.approx(result.metrics[key])
    premises, hypotheses = examples(config, "de"), examples(config, "en")
    right = [
        int(naive_log_probabilities(trainer, a.premise, b.hypothesis).argmax()) == a.label
        for a, b in zip(premises, hypotheses, strict=True)
    ]
    assert cells["de", "en"] == pytest.approx(sum(right) / len(right))


def test_a_sample_of_the_pair_matrix_is_the_same_rows_in_every_cell(
    config: RunConfig, trainer: Trainer
) -> None:
    def sampled() -> EvaluationData:
        return load_evaluation_data(
            config.data,
            trainer.data.tokenizer,
            trainer.data.prompt,
            "validation",
            task="embedded",
            pair_matrix_size=5,
        )

    pairs = sampled().pairs
    again = sampled().pairs
    assert pairs is not None
    assert again is not None
    ids = np.asarray(pairs.table.example_ids).reshape(9, 5)
    assert (ids == ids[0]).all()
    assert len(set(ids[0])) == 5
    assert ids.tolist() == np.asarray(again.table.example_ids).reshape(9, 5).tolist()


def test_a_rung_leaves_out_the_pair_matrix_and_what_is_not_asked_for(
    config: RunConfig, trainer: Trainer, data: EvaluationData, result: Evaluation
) -> None:
    rung = evaluate_model(trainer.model, data, config.evaluation, complete=False, retrieval=False)
    assert rung.pairs is None
    assert {key for key in result.metrics if key not in rung.metrics} == {
        "validation/retrieval/de/accuracy",
        "validation/retrieval/zh/accuracy",
        "validation/retrieval/mean",
    }
    both = [result.metrics[f"validation/retrieval/{x}/accuracy"] for x in ("de", "zh")]
    assert result.metrics["validation/retrieval/mean"] == pytest.approx(sum(both) / 2)


def test_evaluation_leaves_the_mode_and_the_random_state(
    config: RunConfig, trainer: Trainer, data: EvaluationData
) -> None:
    trainer.model.train()
    before = torch.get_rng_state()
    evaluate_model(trainer.model, data, config.evaluation)
    assert trainer.model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_unreadable_text_is_a_metric_and_left_out_of_the_readable_mean(
    config: RunConfig, trainer: Trainer, data: EvaluationData, result: Evaluation
) -> None:
    assert result.metrics["tokenizer/zh/unreadable"] == data.unreadable["zh"]
    marked = replace(data, unreadable={"en": 0.0, "de": 0.2, "zh": 0.21})
    found = evaluate_model(trainer.model, marked, config.evaluation, complete=False).metrics
    assert found["tokenizer/zh/unreadable"] == 0.21
    readable = found["validation/embedded/mean_zero_shot_readable"]
    assert readable == found["validation/embedded/de/accuracy"]
    none = replace(data, unreadable={"en": 0.0, "de": 0.9, "zh": 0.9})
    found = evaluate_model(trainer.model, none, config.evaluation, complete=False).metrics
    assert "validation/embedded/mean_zero_shot_readable" not in found
    assert "validation/embedded/mean_zero_shot" in found


def test_characters_that_the_tokenizer_has_not_seen_are_counted(tmp_path: Path) -> None:
    config = run_config(tmp_path, data__parallel=None, objective__levels="none")
    data = load_training_data(config.data, config.model.text)
    loaded = load_evaluation_data(
        config.data, data.tokenizer, data.prompt, "validation", task="t", pair_matrix_size=0
    )
    assert loaded.unreadable["en"] == 0.0
    assert loaded.unreadable["zh"] > 0.5


@pytest.mark.parametrize("change", ["label", "example_id", "fewer"])
def test_rows_that_are_not_aligned_have_no_pair_matrix(
    change: str, config: RunConfig, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def altered(*args: object, **kwargs: object) -> tuple[NliExample, ...]:
        rows = load_nli(*args, **kwargs)  # type: ignore[arg-type]
        if args[1] != "zh":
            return rows
        if change == "fewer":
            return rows[:-1]
        value: object = (rows[3].label + 1) % 3 if change == "label" else "other"
        return (*rows[:3], replace(rows[3], **{change: value}), *rows[4:])  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_nli", altered)

    def load(size: int) -> EvaluationData:
        return load_evaluation_data(
            config.data,
            trainer.data.tokenizer,
            trainer.data.prompt,
            "validation",
            task="embedded",
            pair_matrix_size=size,
        )

    with pytest.raises(InputError, match=r"pair_matrix_size: 5: rows of 'zh' are not aligned"):
        load(5)
    assert load(0).pairs is None


def test_retrieval_of_translations_that_lie_together() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(40, 8)).astype(np.float32)
    rotated = source * 3 + np.float32(10)
    assert retrieval_accuracy(source, rotated).mean == 1.0


def test_retrieval_of_each_direction() -> None:
    """Two targets lie next to the first source; the third is found both ways."""
    source = np.array([[1, 0], [0, 1], [-1, -1]], dtype=np.float32)
    target = np.array([[1, 0.01], [1, 0.2], [-2, -0.21]], dtype=np.float32)
    centred = [side - side.mean(0) for side in (source, target)]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in centred]
    to_source = [int(np.argmax(unit[0] @ row)) for row in unit[1]]
    from_source = [int(np.argmax(unit[1] @ row)) for row in unit[0]]
    found = retrieval_accuracy(source, target)
    assert found.to_source == pytest.approx(np.mean(np.array(to_source) == np.arange(3)))
    assert found.from_source == pytest.approx(np.mean(np.array(from_source) == np.arange(3)))
    assert found.to_source < 1
    assert found.mean == pytest.approx((found.to_source + found.from_source) / 2)


def test_retrieval_of_a_permutation_without_fixed_points_is_zero() -> None:
    source = np.eye(6, dtype=np.float32)
    assert retrieval_accuracy(source, np.roll(source, 1, axis=0)).mean == 0.0


def test_collapsed_vectors_do_not_count_as_found() -> None:
    same = np.ones((10, 4), dtype=np.float32)
    assert retrieval_accuracy(same, same).mean <= 0.1
