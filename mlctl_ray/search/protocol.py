"""What travels between the driver and a trial's process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..config import RunConfig, validate
from ..evaluation.data import Split
from ..training.reports import Report

OBJECTIVE = "objective"
STEP = "step"
FINAL = "final"
ERROR = "error"
_TASK = "task"
_METRIC_GROUPS = ("validation/", "test/", "train/", "tokenizer/", "cost/")


@dataclass(frozen=True, slots=True)
class TrialTask:
    """One run to be executed: a trial, or a replicate (`number` None)."""

    number: int | None
    name: str
    variant: str | None
    run: dict[str, Any]
    folder: str
    splits: tuple[Split, ...]
    resume: bool = False

    def to_config(self) -> dict[str, Any]:
        """As a Tune configuration: one key, so that Tune resolves nothing inside."""
        return {_TASK: asdict(self)}

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> TrialTask:
        """From a Tune configuration."""
        values = dict(config[_TASK])
        values["splits"] = tuple(values["splits"])
        return cls(**values)

    @property
    def run_config(self) -> RunConfig:
        """The run's configuration."""
        return validate(RunConfig, self.run, self.name)


def to_result(report: Report, objective_key: str) -> dict[str, Any]:
    """A report as a Tune result."""
    return {
        STEP: report.step,
        FINAL: report.final,
        OBJECTIVE: report.metrics[objective_key],
        **report.metrics,
    }


def to_failure(error: BaseException) -> dict[str, Any]:
    """A failure that is the configuration's own, as a last Tune result: the process stays warm."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return {STEP: 0, FINAL: False, OBJECTIVE: math.nan, ERROR: lines[0]}


def failure_of(result: Mapping[str, Any]) -> str | None:
    """The reason why a trial failed by itself; None if it did not."""
    if result.get(ERROR) is not None:
        return str(result[ERROR])
    if not math.isfinite(result.get(OBJECTIVE, 0.0)):
        return f"the objective is {result[OBJECTIVE]} at step {result.get(STEP)}"
    return None


def is_final(result: Mapping[str, Any]) -> bool:
    """Whether a trial came to its own end, and was not stopped by the scheduler."""
    return bool(result.get(FINAL))


def metrics_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a Tune result, without Tune's own fields."""
    return {
        key: float(value)
        for key, value in result.items()
        if key.startswith(_METRIC_GROUPS) and isinstance(value, int | float)
    }
