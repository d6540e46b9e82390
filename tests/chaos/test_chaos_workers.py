"""Trials' processes and machines are killed under a running driver."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator

import pytest
from disturbed import (
    OBJECT_STORE_BYTES,
    Arena,
    Driver,
    Facts,
    one_head,
    trial_processes,
    wait_gone,
)
from ray.cluster_utils import Cluster

PROCESS_KILLS = 14
NODE_KILLS = 8
FAST_HEALTH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_trial_processes_lose_and_double_nothing(arena: Arena, undisturbed: Facts) -> None:
    rng = random.Random(11)
    driver = arena.driver()
    kills = 0
    while kills < PROCESS_KILLS and driver.wait_for(" started"):
        time.sleep(rng.uniform(0, 1.2))
        running = trial_processes(driver.process.pid)
        if running:
            victim = rng.choice(running)
            os.kill(victim, signal.SIGKILL)
            wait_gone([victim])
            kills += 1
    done = driver.to_end(400)
    assert done.code == 0, done.err
    assert kills >= PROCESS_KILLS - 2
    assert "goes on from its checkpoint" in done.out
    assert arena.facts() == undisturbed


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head without cores; machines of one core are added to it."""
    with one_head(num_cpus=0, _system_config=FAST_HEALTH) as made:
        yield made


def _add(cluster: Cluster) -> object:
    return cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES, wait=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_nodes_lose_and_double_nothing(
    arena: Arena, undisturbed: Facts, cluster: Cluster
) -> None:
    """The machine that a trial runs on goes away; another one takes its place."""
    rng = random.Random(13)
    node = _add(cluster)
    driver: Driver = arena.driver("--address", cluster.address)
    kills = 0
    while kills < NODE_KILLS and driver.wait_for(" started"):
        time.sleep(rng.uniform(0.2, 1.5))
        if driver.process.poll() is not None:
            break
        cluster.remove_node(node, allow_graceful=False)
        node = _add(cluster)
        kills += 1
    done = driver.to_end(500)
    assert done.code == 0, done.err
    assert kills >= NODE_KILLS - 2
    assert arena.facts() == undisturbed
