"""Disks: one that fills up under a study, and a folder that not every machine shares."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disturbed import Arena, Facts, one_head
from ray.cluster_utils import Cluster
from small_study import environment


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


needs_mount = pytest.mark.skipif(
    not _may_mount(), reason="needs unshare and the right to mount a file system in a namespace"
)

SMALL_KIB = 700
"""Room for the study's beginning, and for its first checkpoint but not the second."""

FILL_UP = """
set -u
mkdir -p runs && mount -t tmpfs -o size={small}k tmpfs runs
"{python}" -m mlctl_ray.search chaos.yaml >first.out 2>first.err; echo $? >first.code
mount -o remount,size=500m runs
"{python}" -m mlctl_ray.search chaos.yaml --resume >second.out 2>second.err; echo $? >second.code
cp -a runs kept && umount runs && rmdir runs && mv kept runs
"""


@needs_mount
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_full_disk_ends_in_one_line_and_resume_goes_on(arena: Arena, undisturbed: Facts) -> None:
    script = FILL_UP.format(small=SMALL_KIB, python=sys.executable)
    subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        cwd=arena.folder,
        env=environment(),
        check=True,
        timeout=500,
    )
    said = {name: (arena.folder / name).read_text() for name in ("first.err", "second.err")}
    assert (arena.folder / "first.code").read_text().strip() == "1", said
    lines = said["first.err"].splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), said
    assert "No space left on device" in lines[0] and "--resume" in lines[0]
    assert (arena.folder / "second.code").read_text().strip() == "0", said
    assert arena.facts() == undisturbed


@pytest.fixture
def head() -> Iterator[Cluster]:
    """A head of one core."""
    with one_head(num_cpus=1) as made:
        yield made


@needs_mount
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_folder_that_a_machine_does_not_share_is_found_before_the_start(
    arena: Arena, head: Cluster
) -> None:
    """The second machine has an empty disk of its own at the study's place."""
    (arena.folder / "runs").mkdir()
    ray = Path(sys.executable).with_name("ray")
    script = (
        f"mount -t tmpfs tmpfs {arena.folder}/runs && mkdir {arena.folder}/runs/chaos && "
        f"exec {ray} start --address={head.address} --num-cpus=1 --block "
        "--object-store-memory=100000000"
    )
    node = subprocess.Popen(
        ["unshare", "--mount", "--kill-child", "--fork", "bash", "-c", script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_second_node(head)
        done = arena.search("--address", head.address)
    finally:
        node.kill()
        node.wait()
    assert done.code == 2, done.err
    (line,) = done.err.splitlines()
    assert "study.storage" in line and "is not shared with" in line
    assert not (arena.root / "trials").exists()


def _wait_for_second_node(head: Cluster) -> None:
    for _ in range(300):
        if len(head.global_state._live_node_ids()) == 2:
            return
        time.sleep(0.2)
    pytest.fail("the second machine did not join")
