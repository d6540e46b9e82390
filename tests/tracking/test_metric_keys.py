"""Metric names are those of DESIGN, section 3, and can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.errors import InputError
from mlctl_ray.evaluation import keys

parts = st.from_regex(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,12}", fullmatch=True)


def test_the_documented_names() -> None:
    assert keys.accuracy_key("validation", "xnli", "de") == "validation/xnli/de/accuracy"
    assert keys.mean_key("test", "xnli") == "test/xnli/mean"
    assert keys.mean_zero_shot_key("test", "xnli") == "test/xnli/mean_zero_shot"
    assert keys.mean_readable_key("test", "xnli") == "test/xnli/mean_zero_shot_readable"
    assert keys.retrieval_key("validation", "de") == "validation/retrieval/de/accuracy"
    assert keys.unreadable_key("de") == "tokenizer/de/unreadable"
    assert keys.loss_key("total") == "train/loss/total"
    assert keys.SAMPLES_PER_SECOND == "train/samples_per_second"


@given(parts, parts, parts)
def test_an_accuracy_key_reads_back(split: str, task: str, language: str) -> None:
    key = keys.accuracy_key(split, task, language)
    assert keys.parse_accuracy_key(key) == (split, task, language)


def test_other_keys_are_no_accuracies() -> None:
    others = [
        keys.mean_key("test", "xnli"),
        keys.mean_zero_shot_key("test", "xnli"),
        keys.unreadable_key("de"),
        keys.loss_key("total"),
        keys.SAMPLES_PER_SECOND,
        "validation/xnli/de/accuracy/x",
        "x/validation/xnli/de/accuracy",
        "validation/xnli//accuracy",
        "validation/xnli/de/accuracy\n",
        "",
    ]
    assert [keys.parse_accuracy_key(key) for key in others] == [None] * len(others)


@pytest.mark.parametrize("part", ["", "a/b", "..", "a b", "é", "de\n"])
def test_ambiguous_parts_are_refused(part: str) -> None:
    with pytest.raises(InputError, match="metric key"):
        keys.accuracy_key("test", "xnli", part)
