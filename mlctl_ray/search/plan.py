"""What a study will take: concurrency from the cluster, steps, device-hours, money."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..config import ScalingConfig, StudyConfig
from ..errors import InputError
from ..model import count_parameters
from .budget import replicates_of

ASSUMED_FLOPS = {"cpu": 3e10, "gpu": 1e14}
"""Sustained floating-point operations a second of one CPU core and of one GPU in the estimate."""


@dataclass(frozen=True, slots=True)
class Node:
    """CPU cores and GPUs of one machine."""

    cpus: float
    gpus: float

    def workers(self, scaling: ScalingConfig) -> int:
        """Workers of a run that fit on this machine."""
        fit = self.cpus // scaling.cpus_per_worker
        if scaling.gpus_per_worker:
            fit = min(fit, self.gpus // scaling.gpus_per_worker)
        return int(fit)


def this_machine() -> Node:
    """The machine that this process runs on."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Node(float(len(os.sched_getaffinity(0))), float(gpus))


def fitting(nodes: Sequence[Node], scaling: ScalingConfig) -> int:
    """Runs that fit on machines at once."""
    return sum(node.workers(scaling) for node in nodes) // scaling.workers


def concurrency(nodes: Sequence[Node], scaling: ScalingConfig, asked: int | None) -> int:
    """Trials that run at once.

    Raises:
        InputError: not even one trial fits; the line says what it needs and what there is.
    """
    fit = fitting(nodes, scaling)
    if fit == 0:
        there = ", ".join(f"{node.cpus:g} CPU + {node.gpus:g} GPU" for node in nodes) or "no node"
        raise InputError(
            f"scaling: a trial needs {scaling.workers} x ({scaling.cpus_per_worker} CPU + "
            f"{scaling.gpus_per_worker} GPU), which never fits on: {there}"
        )
    return fit if asked is None else min(fit, asked)


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The plan of a study before anything is started.

    Attributes:
        trials: configurations of the search.
        replicates: runs of the confirmation stage.
        parameters: of the model; None if they cannot be known without the network.
        device_hours: upper estimate without early stopping; None with unknown parameters.
        hours: wall time of it at this concurrency.
        cost: money for the device-hours.
    """

    trials: int
    replicates: int
    concurrency: int
    parameters: int | None
    device_hours: float | None
    hours: float | None
    cost: float | None


def make_plan(config: StudyConfig, nodes: Sequence[Node]) -> StudyPlan:
    """Plan a study for a cluster.

    Device-hours are 6 x parameters x pieces / `ASSUMED_FLOPS`, with every input at a quarter of
    `data.max_length` pieces: an order of magnitude, to be replaced by the first trial's measure.

    Raises:
        InputError: no trial fits on the cluster.
    """
    study, scaling = config.study, config.scaling
    at_once = concurrency(nodes, scaling, study.concurrency)
    replicates = replicates_of(config)
    parameters = count_parameters(config.model)
    if parameters is None:
        return StudyPlan(study.trials, replicates, at_once, None, None, None, None)
    rows = config.optimisation.batch_size * 2 + config.objective.batch_size * 2
    pieces = config.optimisation.steps * rows * max(8, config.data.max_length // 4)
    speed = ASSUMED_FLOPS["gpu" if scaling.gpus_per_worker else "cpu"]
    if not scaling.gpus_per_worker:
        speed *= scaling.cpus_per_worker
    device_hours = 6 * parameters * pieces / speed / 3600 * (study.trials + replicates)
    return StudyPlan(
        trials=study.trials,
        replicates=replicates,
        concurrency=at_once,
        parameters=parameters,
        device_hours=device_hours,
        hours=device_hours / (at_once * scaling.workers),
        cost=device_hours * study.price_per_device_hour,
    )
