"""The folder cache: one build, never half a folder, and no harm from killed builders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.data import cache_lock
from mlctl_ray.data.cache import MANIFEST, content_key, is_complete, open_or_build
from mlctl_ray.errors import InputError

KEY = content_key("test")

BUILDER = """
import os, sys, time
from pathlib import Path
from mlctl_ray.data.cache import open_or_build

root, key, log, pause = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])

def build(folder):
    with log.open("a") as file:
        file.write(f"{os.getpid()}\\n")
    (folder / "first.txt").write_text("first")
    time.sleep(pause)
    (folder / "second.txt").write_text("second")

folder = open_or_build(root, key, build)
assert sorted(p.name for p in folder.iterdir()) == ["first.txt", "manifest.json", "second.txt"]
assert (folder / "second.txt").read_text() == "second"
"""


def _start(root: Path, log: Path, pause: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", BUILDER, str(root), KEY, str(log), str(pause)]
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    )


def _builds(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def _wait_for(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.01)


def _write(folder: Path) -> None:
    (folder / "value.txt").write_text("value")


def test_builds_once_and_then_opens(tmp_path: Path) -> None:
    calls: list[Path] = []

    def build(folder: Path) -> None:
        calls.append(folder)
        _write(folder)

    first = open_or_build(tmp_path / "new" / "root", KEY, build)
    assert open_or_build(tmp_path / "new" / "root", KEY, build) == first
    assert len(calls) == 1 and calls[0] != first
    assert (first / "value.txt").read_text() == "value"
    assert [path.name for path in first.parent.iterdir()] == [KEY]


def test_four_processes_at_once_build_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [_start(tmp_path / "root", log, 0.3) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert len(_builds(log)) == 1
    assert [path.name for path in (tmp_path / "root").iterdir()] == [KEY]


@pytest.mark.parametrize("reaped", [True, False])
def test_killed_builder_blocks_nobody_and_leaves_nothing(tmp_path: Path, reaped: bool) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    killed = _start(root, log, 3600)
    _wait_for(lambda: list(root.glob(".*/first.txt")))
    killed.send_signal(signal.SIGKILL)
    if reaped:
        killed.wait(60)
    assert not (root / KEY).exists()
    followers = [_start(root, log, 0.2) for _ in range(3)]
    assert [process.wait(60) for process in followers] == [0, 0, 0]
    killed.wait(60)
    assert len(_builds(log)) == 2  # the killed one and one of the followers
    assert [path.name for path in root.iterdir()] == [KEY]


def test_waiter_takes_over_when_the_builder_is_killed(tmp_path: Path) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    killed = _start(root, log, 3600)
    _wait_for(lambda: list(root.glob(".*/first.txt")))
    waiter = _start(root, log, 0)
    time.sleep(0.3)
    assert len(_builds(log)) == 1
    killed.kill()
    killed.wait(60)
    assert waiter.wait(60) == 0
    assert len(_builds(log)) == 2


def test_threads_build_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def build(folder: Path) -> None:
        calls.append(1)
        time.sleep(0.1)
        _write(folder)

    threads = [
        threading.Thread(target=open_or_build, args=(tmp_path, KEY, build)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and is_complete(tmp_path / KEY)


def test_without_a_working_lock_the_loser_discards_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_lock, "_is_stale", lambda path: True)
    late_has_begun, opened = threading.Event(), []

    def late(folder: Path) -> None:
        late_has_begun.set()
        _wait_for(lambda: is_complete(tmp_path / KEY))
        (folder / "value.txt").write_text("late")

    def early(folder: Path) -> None:
        late_has_begun.wait(30)
        _write(folder)

    threads = [
        threading.Thread(target=lambda b=build: opened.append(open_or_build(tmp_path, KEY, b)))
        for build in (late, early)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [tmp_path / KEY] * 2
    assert (tmp_path / KEY / "value.txt").read_text() == "value"
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_lock_of_another_host_is_lost_when_it_is_no_longer_touched(tmp_path: Path) -> None:
    lock = tmp_path / f".{KEY}.lock.0"
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    assert not cache_lock._is_stale(lock)
    old = time.time() - cache_lock.STALE_SECONDS - 1
    os.utime(lock, (old, old))
    open_or_build(tmp_path, KEY, _write)
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_a_long_build_keeps_its_lock_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_lock, "HEARTBEAT_SECONDS", 0.02)

    def build(folder: Path) -> None:
        lock = tmp_path / f".{KEY}.lock.0"
        os.utime(lock, (0, 0))
        _wait_for(lambda: lock.stat().st_mtime > 0)
        _write(folder)

    open_or_build(tmp_path, KEY, build)


@pytest.mark.parametrize(
    "damage", ["no manifest", "no file", "short", "not json", "a file", "empty"]
)
def test_damaged_folder_is_built_again(tmp_path: Path, damage: str) -> None:
    folder = open_or_build(tmp_path, KEY, _write)
    if damage == "no manifest":
        (folder / MANIFEST).unlink()
    elif damage == "no file":
        (folder / "value.txt").unlink()
    elif damage == "short":
        (folder / "value.txt").write_text("v")
    elif damage == "not json":
        (folder / MANIFEST).write_text("{")
    else:
        for path in folder.iterdir():
            path.unlink()
        if damage == "a file":
            folder.rmdir()
            folder.write_text("not a folder")
    assert (open_or_build(tmp_path, KEY, _write) / "value.txt").read_text() == "value"
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_failed_build_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _write(folder)
        raise RuntimeError("no more disk")

    with pytest.raises(RuntimeError, match="no more disk"):
        open_or_build(tmp_path, KEY, fail)
    assert not list(tmp_path.iterdir())
    assert is_complete(open_or_build(tmp_path, KEY, _write))


def test_root_that_is_a_file_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"^data\.cache: .*file"):
            open_or_build(root, KEY, _write)


def test_key_separates_its_parts_and_their_types() -> None:
    parts = [("ab", "c"), ("a", "bc"), ("abc",), (b"ab", "c"), ("ab", b"c"), ("ab", "c", "")]
    parts += [(1,), ("1",), (b"1",), (12,), (1, 2), (-1,)]
    assert len({content_key(*part) for part in parts}) == len(parts)
    assert content_key("a", 1, b"b") == content_key("a", 1, b"b")


part = st.one_of(st.text(st.characters(), max_size=3), st.binary(max_size=3), st.integers())


@given(st.lists(part, max_size=4), st.lists(part, max_size=4))
def test_equal_keys_are_equal_parts(first: list[object], second: list[object]) -> None:
    def typed(parts: list[object]) -> list[tuple[type, object]]:
        return [(type(value), value) for value in parts]

    same = content_key(*first) == content_key(*second)  # type: ignore[arg-type]
    assert same == (typed(first) == typed(second))
