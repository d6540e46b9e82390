"""A driver that dies at any write to the book: another one ends the study as if it had not."""

from __future__ import annotations

import copy
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend
from simulated import Driver, World, desk_of, drive, search, shape, simulated

from mlctl_ray.search.faults import Fault

APPEND = JournalFileBackend.append_logs


@dataclass
class Camera:
    """Copies the study's folder at every write to its journal, as a kill there would leave it."""

    root: Path
    place: Path
    world: World
    taken: list[tuple[Path, World]] = field(default_factory=list)

    def append(self, backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        """Stands for `JournalFileBackend.append_logs`."""
        self._take("before")
        line = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        journal = self._take("torn") / self.root.name / Path(backend._file_path).name
        with journal.open("ab") as file:
            file.write(line[: len(line) // 2])
        APPEND(backend, logs)
        self._take("after")

    def _take(self, when: str) -> Path:
        place = self.place / f"{len(self.taken) // 3:03d}-{when}"
        shutil.copytree(self.root, place / self.root.name, symlinks=True)
        self.taken.append((place, copy.deepcopy(self.world)))
        return place


CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "one at a time, with rungs": (1, {}),
    "two at once, with rungs": (2, {}),
    "two objectives and a limit": (
        2,
        {
            "study.asha": None,
            "study.also_optimise": ["device_hours", "source"],
            "study.constraints": {"de": {"at_least": 0.6}, "device_hours": {"at_most": 0.9}},
        },
    ),
}
SMALL = {"study.seed": 5, "study.trials": 6, "optimisation.steps": 6}


@pytest.mark.parametrize("case", CASES)
def test_study_ends_alike_wherever_its_driver_dies(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power is lost here
    at_once, changes = CASES[case]
    changes = SMALL | changes
    world = World(
        {
            ("trial-0000", 4): [Fault.ERROR],
            ("trial-0001", 0): [Fault.LOST, Fault.LOST],
            ("trial-0003", 2): [Fault.CONFIGURATION],
        }
    )
    config = simulated(tmp_path / "undisturbed", changes)
    camera = Camera(tmp_path / "undisturbed" / "tiny", tmp_path / "killed", world)
    with monkeypatch.context() as patched:
        patched.setattr(
            JournalFileBackend, "append_logs", lambda backend, logs: camera.append(backend, logs)
        )
        undisturbed = search(config, at_once=at_once, world=world)
    expected = shape(undisturbed.book.trials())
    stopped = {"PRUNED"} if changes.get("study.asha", True) else set()
    assert {trial[1] for trial in expected} == {"COMPLETE", "FAIL"} | stopped
    assert len(camera.taken) > 80
    for place, world_then in camera.taken:
        driver = Driver(simulated(place, changes))
        drive(driver.config, desk_of(driver.stage(), at_once), world_then)
        assert shape(driver.book.trials()) == expected, f"killed at {place.name}"
