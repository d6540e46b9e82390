"""Connecting to Ray, and running tasks through Tune."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler
from ray.tune.search import Searcher

from ..config import ScalingConfig
from ..errors import InputError
from ..training.ray_adapter import quiet_environment
from .plan import Node
from .protocol import TrialTask
from .recorder import Recorder
from .storage import StudyFolder
from .trainable import run_task, trial_resources

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
}

LOCAL = "local"

LOCAL_OBJECT_STORE_BYTES = 150 * 1024**2
"""Ray's smallest sensible store: trials read their data from the cache on disk."""


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
        yield tuple(
            Node(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
            for node in ray.nodes()
            if node["Alive"]
        )
    finally:
        ray.shutdown()


def _task_name(trial: Trial) -> str:
    return TrialTask.of_config(trial.config).name


def run_tasks(
    *,
    name: str,
    folder: StudyFolder,
    scaling: ScalingConfig,
    objective_key: str,
    recorder: Recorder,
    searcher: Searcher,
    samples: int,
    asha: AsyncHyperBandScheduler | None = None,
) -> None:
    """Let Tune execute what the searcher hands out, in actors that are used again."""
    trainable = tune.with_parameters(run_task, objective_key=objective_key)
    tuner = tune.Tuner(
        tune.with_resources(trainable, trial_resources(scaling)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=asha or FIFOScheduler(),
            num_samples=samples,
            reuse_actors=True,
            trial_dirname_creator=_task_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder.root / "tune"),
            callbacks=[recorder],
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    tuner.fit()
