"""A small study file, and the line with which a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl_ray.config import StudyConfig, load_config
from mlctl_ray.errors import InputError

STUDY = (
    "study: {name: s, space: {objective.multi.temperature: "
    "{type: log_float, low: 0.02, high: 0.5}}}\n"
)


def line_of(text: str, *assignments: str) -> str:
    """The line that a study file ends with; the file is in the working directory."""
    Path("study.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_config(StudyConfig, "study.yaml", assignments)
    line = str(caught.value)
    assert "\n" not in line
    return line
