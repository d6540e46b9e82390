from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import run_config

from mlctl_ray.config import RunConfig
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.batches import StepBatches
from mlctl_ray.training.data import TrainingData, load_training_data
from mlctl_ray.training.embedding import NliMicro, ParallelMicro
from mlctl_ray.training.schedule import phase_of
from mlctl_ray.training.trainer import Trainer

LARGE = 100_000


def trainer_of(config: RunConfig) -> Trainer:
    return Trainer(config, load_training_data(config.data, config.model.text), Workers())


def micros_of(config: RunConfig, step: int = 0) -> list[NliMicro | ParallelMicro]:
    data = load_training_data(config.data, config.model.text)
    return StepBatches(config, data, Workers()).micros(step, phase_of(config, step))


@pytest.mark.parametrize(
    ("levels", "denoising", "budget"),
    [
        ("sentence+word+multi+label", 0.0, 200),
        ("sentence+word+multi+label", 0.5, 1),
        ("multi", 0.5, 200),
        ("label", 0.0, 200),
        ("none", 0.5, 200),
        ("none", 0.0, 1),
    ],
)
def test_micro_batches_give_the_gradient_of_the_whole_batch(
    levels: str, denoising: float, budget: int, tmp_path: Path
) -> None:
    found = []
    for tokens in (LARGE, budget):
        config = run_config(
            tmp_path,
            objective__levels=levels,
            objective__span_corruption={"weight": denoising},
            optimisation__token_budget=tokens,
            optimisation__steps=2,
            optimisation__learning_rate=1e-3,
        )
        trainer = trainer_of(config)
        kinds = {type(micro) for micro in micros_of(config)}
        assert (len(micros_of(config)) == len(kinds)) == (tokens == LARGE)
        gradients = []
        for _ in trainer.run(frozenset({1})):
            named = trainer.model.named_parameters()
            gradients.append({n: p.grad.clone() for n, p in named if p.grad is not None})
        found.append((gradients, dict(trainer.model.named_parameters())))
    (whole, weights), (split, other_weights) = found
    for expected, gradient in zip(whole, split, strict=True):
        assert gradient.keys() == expected.keys()
        assert sum(value.abs().sum() for value in expected.values()) > 0
        for name, value in expected.items():
            torch.testing.assert_close(gradient[name], value, rtol=1e-3, atol=1e-5)
    for name, value in weights.items():
        torch.testing.assert_close(other_weights[name], value, rtol=1e-4, atol=2e-5)


def test_every_term_is_reported_and_their_weighted_sum_is_the_total(tmp_path: Path) -> None:
    config = run_config(
        tmp_path,
        objective__span_corruption={"weight": 0.25},
        objective__sentence={"weight": 0.5},
        objective__word={"weight": 2.0},
        optimisation__steps=1,
        optimisation__token_budget=300,
    )
    (progress,) = trainer_of(config).run(frozenset())
    losses = progress.losses
    weights = {
        "task": 1.0,
        "sentence": 0.5,
        "word": 2.0,
        "multi": 1.0,
        "label": 1.0,
        "denoising": 0.25,
    }
    assert losses.keys() == {"total", *weights}
    expected = sum(weight * losses[name] for name, weight in weights.items())
    assert losses["total"] == pytest.approx(expected, rel=1e-5)


def test_terms_that_take_no_part_are_absent(tmp_path: Path) -> None:
    (progress,) = trainer_of(run_config(tmp_path, objective__levels="none")).run(frozenset())
    assert progress.losses.keys() == {"total", "task"}
    assert progress.losses["total"] == progress.losses["task"]


def test_span_corruption_learns(tmp_path: Path) -> None:
    config = run_config(
        tmp_path,
        objective__levels="none",
        objective__span_corruption={"weight": 1.0},
        optimisation__steps=12,
        optimisation__learning_rate=3e-2,
    )
    losses = [p.losses["denoising"] for p in trainer_of(config).run(frozenset(range(12)))]
    assert len(losses) == 12
    assert losses[-1] < losses[0] - 0.3


def test_contrastive_levels_learn(tmp_path: Path) -> None:
    config = run_config(tmp_path, optimisation__steps=12, optimisation__learning_rate=3e-3)
    progress = list(trainer_of(config).run(frozenset({1, 9})))
    for level in ("sentence", "word", "multi", "label"):
        assert progress[-1].losses[level] < progress[0].losses[level], level


@pytest.mark.parametrize("budget", [300, LARGE])
def test_bf16_follows_fp32(budget: int, tmp_path: Path) -> None:
    totals = []
    for precision in ("fp32", "bf16"):
        config = run_config(
            tmp_path,
            optimisation__precision=precision,
            optimisation__token_budget=budget,
            optimisation__learning_rate=1e-3,
        )
        trainer = trainer_of(config)
        (progress,) = trainer.run(frozenset())
        assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
        totals.append(progress.losses["task"])
    assert totals[0] != totals[1]
    assert totals[1] == pytest.approx(totals[0], rel=0.05)


def test_micro_batches_stay_under_the_budget(tmp_path: Path) -> None:
    config = run_config(tmp_path, optimisation__token_budget=500)
    for micro in micros_of(config):
        if isinstance(micro, NliMicro):
            assert micro.views is not None
            sides = [micro.batch.input_ids_BL, micro.views[0]]
            assert micro.batch.input_ids_BL.numel() * 2 <= 500
        else:
            sides = [micro.batch.source_ids_BL, micro.batch.target_ids_BM]
            rows = len(sides[0])
            assert rows * 2 * max(side.shape[1] for side in sides) <= 500
        assert sides[0].shape[0] == sides[1].shape[0]


def test_workers_share_each_batch_without_overlap(tmp_path: Path) -> None:
    config = run_config(tmp_path)
    data = load_training_data(config.data, config.model.text)
    phase = phase_of(config, 0)

    def rows(workers: Workers) -> list[int]:
        micros = StepBatches(config, data, workers).micros(4, phase)
        return [int(r) for m in micros if isinstance(m, NliMicro) for r in m.batch.rows]

    parts = [rows(Workers(rank, 3)) for rank in range(3)]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert sorted(row for part in parts for row in part) == sorted(rows(Workers()))


def test_the_label_level_sees_source_examples_and_their_views_alone(tmp_path: Path) -> None:
    config = run_config(tmp_path, objective__levels="label", data__code_switch_rate=0.0)
    data = load_training_data(config.data, config.model.text)
    assert data.parallel is not None
    assert {example.example_id for example in data.examples} == set(data.nli.example_ids)
    english = {
        tuple(e.ids)
        for e in data.tokenizer.encode(
            [data.prompt(e.premise, e.hypothesis) for e in english_examples(config)], 48
        )
    }
    for step in range(3):
        for micro in micros_of(config, step):
            assert isinstance(micro, NliMicro)
            assert micro.views is not None
            # Nothing is switched at rate 0, so that each view is its own source example.
            for ids, mask in (
                (micro.batch.input_ids_BL, micro.batch.attention_mask_BL),
                micro.views,
            ):
                rows = [tuple(r[: int(m.sum())].tolist()) for r, m in zip(ids, mask, strict=True)]
                assert set(rows) <= english


def english_examples(config: RunConfig) -> tuple:  # type: ignore[type-arg]
    from mlctl_ray.data.sources import load_nli

    return load_nli(config.data.nli, "en", "train", seed=config.data.seed)


def test_views_keep_the_label_of_their_example(tmp_path: Path) -> None:
    config = run_config(tmp_path, objective__levels="label", data__code_switch_rate=1.0)
    data = load_training_data(config.data, config.model.text)
    (micro,) = micros_of(config)
    assert isinstance(micro, NliMicro)
    assert micro.views is not None
    labels = [data.examples[int(row)].label for row in micro.batch.rows]
    assert micro.batch.labels_B.tolist() == labels
    assert len(micro.views[0]) == len(labels)
    assert not torch.equal(micro.views[0], micro.batch.input_ids_BL)


def test_no_aligned_words_still_serve_the_sentence_level(tmp_path: Path) -> None:
    config = run_config(tmp_path, optimisation__token_budget=300, optimisation__steps=1)
    data = load_training_data(config.data, config.model.text)
    assert data.parallel is not None
    empty = replace(data.parallel, words=no_words(data))
    trainer = Trainer(config, replace(data, parallel=empty), Workers())
    (progress,) = trainer.run(frozenset())
    assert progress.losses["word"] == progress.losses["multi"] == 0.0
    assert progress.losses["sentence"] > 0


def no_words(data: TrainingData) -> object:
    from mlctl_ray.data.ragged import ragged_from_rows

    assert data.parallel is not None
    return ragged_from_rows([[] for _ in range(len(data.parallel.source_groups))])
