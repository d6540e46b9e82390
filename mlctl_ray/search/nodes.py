"""What must hold on every machine of a cluster, and what a lost run leaves on it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from uuid import uuid4

import ray
from ray.util.placement_group import placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..config import ScalingConfig
from ..errors import InputError

_PROBE_S = 60


def check_shared(folder: Path) -> None:
    """Write a file into a folder from every machine and read it back here.

    Raises:
        InputError: a machine does not see this one's file, or this one not its file.
    """
    probe = folder / f".probe-{uuid4().hex}"
    probe.mkdir(parents=True)
    try:
        (probe / "driver").write_text("driver", encoding="utf-8")
        _sync(probe)
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        asked = [
            _probe.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False), num_cpus=0
            ).remote(str(probe), node)
            for node in nodes
        ]
        for node, answer in zip(nodes, ray.get(asked, timeout=_PROBE_S), strict=True):
            host, problem = answer
            if problem is None and not (probe / node).is_file():
                problem = "its files are not seen here"
            if problem is not None:
                raise InputError(
                    f"study.storage: {str(folder)!r} is not shared with {host}: {problem}; use a "
                    "folder that every machine reaches under the same path"
                )
    finally:
        for file in probe.iterdir():
            file.unlink()
        probe.rmdir()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@ray.remote  # type: ignore[untyped-decorator]
def _probe(folder: str, node: str) -> tuple[str, str | None]:
    host, path = socket.gethostname(), Path(folder)
    try:
        if not (path / "driver").is_file():
            return host, "it does not see the driver's files"
        (path / node).write_text(host, encoding="utf-8")
    except OSError as error:
        return host, f"it cannot write there ({error.strerror})"
    return host, None


def sweep_placement_groups(scaling: ScalingConfig) -> int:
    """Remove what lost multi-worker runs of this driver hold; how many there were.

    Ray frees them only at the driver's end. Call it while no such run is at work. Groups of other
    drivers on the cluster are left alone (an id ends with that of the job that made it), and so
    are Tune's own, which hold no worker.
    """
    job = ray.get_runtime_context().get_job_id()
    removed = 0
    for group_id, group in placement_group_table().items():
        mine = group_id.endswith(job) and group["state"] != "REMOVED"
        if mine and _holds_workers(list(group["bundles"].values()), scaling):
            remove_placement_group(_group(group_id))
            removed += 1
    return removed


def _holds_workers(bundles: list[dict[str, float]], scaling: ScalingConfig) -> bool:
    return len(bundles) == scaling.workers and all(
        bundle.get("CPU", 0) == scaling.cpus_per_worker for bundle in bundles
    )


def _group(group_id: str) -> ray.util.placement_group.PlacementGroup:
    from ray import PlacementGroupID

    return ray.util.placement_group.PlacementGroup(PlacementGroupID(bytes.fromhex(group_id)))
