"""Names of metrics in the tracking store: one place that writes and parses them (DESIGN, 3)."""

from __future__ import annotations

import re
from typing import Final

from mlctl_ray.errors import InputError

RETRIEVAL: Final = "retrieval"
"""Task name under which the retrieval accuracy of a language is kept."""

SAMPLES_PER_SECOND: Final = "train/samples_per_second"
"""Training examples a second over all workers."""

DEVICE_HOURS: Final = "cost/device_hours"
"""Hours that the run held devices: wall time x workers."""

# MLflow takes more (spaces, colons), but a slash inside a part would make keys ambiguous and "."
# or ".." alone is refused as a path.
_PART: Final = r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*"
_ACCURACY: Final = re.compile(rf"({_PART})/({_PART})/({_PART})/accuracy")


def accuracy_key(split: str, task: str, language: str) -> str:
    """Accuracy of one language, such as `validation/xnli/de/accuracy`."""
    return _join(split, task, language, "accuracy")


def mean_key(split: str, task: str) -> str:
    """Unweighted mean accuracy over all evaluated languages."""
    return _join(split, task, "mean")


def mean_zero_shot_key(split: str, task: str) -> str:
    """Unweighted mean accuracy over the languages that gave no label to training."""
    return _join(split, task, "mean_zero_shot")


def mean_readable_key(split: str, task: str) -> str:
    """Mean over the zero-shot languages whose text the tokenizer can read."""
    return _join(split, task, "mean_zero_shot_readable")


def retrieval_key(split: str, language: str) -> str:
    """Accuracy of finding a sentence's translation, such as `validation/retrieval/de/accuracy`."""
    return accuracy_key(split, RETRIEVAL, language)


def unreadable_key(language: str) -> str:
    """Share of a language's characters that the tokenizer maps to `<unk>`, in [0, 1]."""
    return _join("tokenizer", language, "unreadable")


def loss_key(name: str) -> str:
    """Training loss `total`, `task`, `sentence`, `word` or `label`, such as `train/loss/total`."""
    return _join("train", "loss", name)


def parse_accuracy_key(key: str) -> tuple[str, str, str] | None:
    """(split, task, language) of an accuracy key, None for any other key.

    A retrieval accuracy has the same form and gives the task `retrieval`.
    """
    match = _ACCURACY.fullmatch(key)
    return (match[1], match[2], match[3]) if match else None


def _join(*parts: str) -> str:
    for part in parts:
        if not re.fullmatch(_PART, part):
            raise InputError(
                f"metric key: {part!r} cannot be part of a key; allowed: letters, digits, '_', '-' "
                "and '.', not starting with '.'"
            )
    return "/".join(parts)
