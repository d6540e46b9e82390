"""What travels between the driver and a run's process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..config import RunConfig, validate
from ..evaluation.data import Split
from ..training.reports import Report
from .faults import Ending, Fault

OBJECTIVE = "objective"
STEP = "step"
FINAL = "final"
FAULT = "fault"
REASON = "reason"
PAUSED = "paused"
_TASK = "task"
_METRIC_GROUPS = ("validation/", "test/", "train/", "tokenizer/", "cost/")


@dataclass(frozen=True, slots=True)
class TrialTask:
    """One run to be executed: a trial, or a replicate (`number` None).

    Attributes:
        resume: go on from the folder's checkpoint if there is one.
        token: of this execution; the run's folder takes writes of the last one issued only.
    """

    number: int | None
    name: str
    variant: str | None
    run: dict[str, Any]
    folder: str
    splits: tuple[Split, ...]
    resume: bool = False
    token: str = ""

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

    @property
    def steps(self) -> int:
        """Optimiser steps of the run."""
        return int(self.run["optimisation"]["steps"])

    def issued(self, token: str) -> TrialTask:
        """The task for one more execution."""
        return replace(self, token=token)


def to_result(report: Report, objective_key: str) -> dict[str, Any]:
    """A report as a Tune result."""
    return {
        STEP: report.step,
        FINAL: report.final,
        OBJECTIVE: report.metrics[objective_key],
        **report.metrics,
    }


def to_fault(fault: Fault, reason: str) -> dict[str, Any]:
    """A fault as a last Tune result, so that the process can be used again."""
    line = " ".join(reason.split()) or fault.value
    return {STEP: 0, FINAL: False, OBJECTIVE: math.nan, FAULT: fault.value, REASON: line}


def to_pause(step: int) -> dict[str, Any]:
    """A pause as a last Tune result."""
    return {STEP: step, FINAL: False, OBJECTIVE: math.nan, PAUSED: True}


def is_report(result: Mapping[str, Any]) -> bool:
    """Whether a result holds an evaluation."""
    return STEP in result and FAULT not in result and not result.get(PAUSED)


def ending_of(result: Mapping[str, Any] | None, lost: str | None) -> Ending:
    """How a task ended, from its last result, or from why its process went away."""
    metrics = metrics_of(result or {})
    if lost is not None:
        return Ending(metrics, fault=Fault.LOST, reason=lost)
    if result is None:
        return Ending({}, fault=Fault.LOST, reason="ended without a result")
    if result.get(FAULT) is not None:
        return Ending(metrics, fault=Fault(result[FAULT]), reason=str(result[REASON]))
    if result.get(PAUSED):
        return Ending(metrics, paused=True)
    if not math.isfinite(result.get(OBJECTIVE, math.nan)):
        reason = f"the objective is {result.get(OBJECTIVE)} at step {result.get(STEP)}"
        return Ending(metrics, fault=Fault.CONFIGURATION, reason=reason)
    return Ending(metrics, final=bool(result.get(FINAL)))


def metrics_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a Tune result, without Tune's own fields."""
    return {
        key: float(value)
        for key, value in result.items()
        if key.startswith(_METRIC_GROUPS) and isinstance(value, int | float)
    }
