"""Connecting to Ray, what its machines hold, and running a stage through Tune."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial

from ..config import ScalingConfig
from ..errors import InputError
from ..training.ray_adapter import quiet_environment
from .folder import StudyFolder
from .interrupt import Interruption, hangup_ignored
from .nodes import sweep_placement_groups
from .plan import Node, fitting
from .protocol import TrialTask
from .stage import Stage
from .trainable import run_task, trial_resources
from .tune_seam import Desk, DeskCallback, DeskScheduler, DeskSearcher

ENVIRONMENT = quiet_environment() | {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    # Relative paths of a study mean the same in a trial as in the driver.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Ray Train hands on one report of its workers at each poll; its own period is 2 s.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}
"""Environment of the driver's Ray and of every process of a trial."""

DRIVER_ENVIRONMENT = {
    # An interrupt must end the study; Tune's own handler would end only the search in it.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # What a fault leaves is told by the study, once.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

LOCAL = "local"

LOCAL_OBJECT_STORE_BYTES = 150 * 1024**2
"""Ray's smallest sensible store: trials read their data from the cache on disk."""

_CAPACITY_PERIOD_S = 5.0


def cluster_address(address: str | None) -> str:
    """`address`, else RAY_ADDRESS, else `local`: a cluster of this machine alone."""
    return address or os.environ.get("RAY_ADDRESS") or LOCAL


@contextmanager
def connected(address: str | None) -> Iterator[tuple[Node, ...]]:
    """A Ray session: `address`, else RAY_ADDRESS, else a cluster of this machine alone.

    Yields the nodes. Ends the session, and with it a local cluster, on the way out.

    Raises:
        InputError: there is no cluster at the address.
    """
    target = cluster_address(address)
    for name, value in (ENVIRONMENT | DRIVER_ENVIRONMENT).items():
        os.environ.setdefault(name, value)
    local: dict[str, Any] = {}
    if target == LOCAL:
        local = {
            "include_dashboard": False,
            "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
            "num_cpus": len(os.sched_getaffinity(0)),
        }
    try:
        with hangup_ignored():
            ray.init(
                address=target,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": ENVIRONMENT},
                **local,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"--address: no Ray cluster at {target!r}: {reason}") from None
    try:
        yield living_nodes()
    finally:
        ray.shutdown()


def living_nodes() -> tuple[Node, ...]:
    """What the cluster's machines hold now."""
    return tuple(
        Node(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    )


def capacity(scaling: ScalingConfig, asked: int | None) -> Callable[[], int]:
    """Runs that fit at once, asked of the cluster every few seconds: machines come and go.

    At least 1: a run that waits for a machine is what an autoscaler acts on.
    """
    known, at = 1, 0.0

    def now() -> int:
        nonlocal known, at
        if time.monotonic() - at > _CAPACITY_PERIOD_S or not at:
            fit = fitting(living_nodes(), scaling)
            known = max(1, fit if asked is None else min(fit, asked))
            at = time.monotonic()
        return known

    return now


def _trial_folder(trial: Trial) -> str:
    task = TrialTask.of_config(trial.config)
    return f"{task.name}-{task.token[:8]}"


def run_stage(
    stage: Stage,
    *,
    name: str,
    folder: StudyFolder,
    scaling: ScalingConfig,
    objective_key: str,
    concurrency: int | None,
    interruption: Interruption,
) -> str:
    """Let Tune execute what a stage hands out, in actors that are used again.

    Returns:
        Why the stage ended.

    Raises:
        Exception: what a decision of the stage raised, such as `OSError` on a full disk.
    """
    several = scaling.workers > 1

    def sweep() -> None:
        if several:
            sweep_placement_groups(scaling)

    desk = Desk(
        stage,
        interruption,
        capacity(scaling, concurrency),
        cooperative=several,
        log=folder.log,
        idle=sweep,
    )
    interruption.listen(desk.pause_all)
    trainable = tune.with_parameters(run_task, objective_key=objective_key)
    tuner = tune.Tuner(
        tune.with_resources(trainable, trial_resources(scaling)),
        tune_config=tune.TuneConfig(
            search_alg=DeskSearcher(desk),
            scheduler=DeskScheduler(desk),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=_trial_folder,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder.root / "tune"),
            callbacks=[DeskCallback(desk)],
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        sweep()
    if desk.defect is not None:
        raise desk.defect
    return desk.over or ("interrupted" if interruption.asked else str(stage.halted))
