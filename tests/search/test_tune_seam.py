"""The desk between Tune and a stage: places, ends, defects and interruption."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from mlctl_ray.search.faults import Ending, Fault
from mlctl_ray.search.interrupt import Interruption
from mlctl_ray.search.protocol import TrialTask, to_fault, to_pause
from mlctl_ray.search.stage import Over
from mlctl_ray.search.tune_seam import Desk, DeskCallback, DeskScheduler, DeskSearcher
from mlctl_ray.training.requests import request_file

REPORT = {"step": 2, "final": False, "objective": 0.5, "validation/a/mean": 0.5, "noise": "x"}


class Script:
    """A stage with a list of tasks."""

    def __init__(self, folder: Path, tasks: int) -> None:
        self.halted: str | None = None
        self.waiting = [self._task(folder, number) for number in range(tasks)]
        self.hold = False
        self.stop = False
        self.defect: Exception | None = None
        self.lives: list[int] = []
        self.begun: list[str] = []
        self.ends: list[tuple[str, Ending]] = []

    @staticmethod
    def _task(folder: Path, number: int) -> TrialTask:
        place = folder / str(number)
        place.mkdir()
        return TrialTask(number, f"t{number}", None, {}, str(place), ("validation",))

    def next(self, live: int) -> TrialTask | Over | None:
        self.lives.append(live)
        if self.defect is not None:
            raise self.defect
        if self.hold:
            return None
        if self.waiting:
            return self.waiting.pop(0)
        return None if live else Over("no more")

    def started(self, task: TrialTask) -> None:
        self.begun.append(task.name)

    def report(self, task: TrialTask, result: Mapping[str, Any]) -> bool:
        if self.defect is not None:
            raise self.defect
        return self.stop

    def ended(self, task: TrialTask, ending: Ending) -> None:
        self.ends.append((task.name, ending))


class Bench:
    """Searcher, scheduler and callback of one desk, called as Tune calls them."""

    def __init__(
        self, folder: Path, *, tasks: int = 3, places: int = 2, cooperative: bool = False
    ) -> None:
        self.places = places
        self.idle = 0
        self.stage = Script(folder, tasks)
        self.asked = Interruption()

        def swept() -> None:
            self.idle += 1

        self.desk = Desk(
            self.stage,
            self.asked,
            lambda: self.places,
            cooperative=cooperative,
            log=Path("driver.log"),
            idle=swept,
        )
        self.asked.listen(self.desk.pause_all)
        self.searcher = DeskSearcher(self.desk)
        self.scheduler: Any = DeskScheduler(self.desk)

    def suggest(self, name: str) -> Any:
        found = self.searcher.suggest(name)
        return TrialTask.of_config(found).name if isinstance(found, dict) else found

    def report(self, name: str, result: dict[str, Any]) -> str:
        return str(self.scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), result))

    def lose(self, name: str, error: str | None, result: dict[str, Any] | None) -> None:
        trial = SimpleNamespace(trial_id=name, get_error=lambda: error)
        self.scheduler.on_trial_error(None, trial)
        self.searcher.on_trial_complete(name, result, error=True)


def requested(bench: Bench) -> list[str]:
    return [t.name for t in bench.desk.live.values() if request_file(Path(t.folder)).exists()]


def test_places_are_respected_and_follow_the_cluster(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tasks=4)
    assert [bench.suggest(name) for name in "abc"] == ["t0", "t1", None]
    bench.places = 3
    assert [bench.suggest(name) for name in "cd"] == ["t2", None]
    assert bench.stage.lives == [0, 1, 2], "a full desk does not ask the stage"
    bench.places = 1
    bench.searcher.on_trial_complete("a", REPORT | {"final": True})
    assert bench.suggest("d") is None


def test_none_while_a_live_run_may_bring_more_and_finished_at_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tasks=1)
    assert bench.suggest("a") == "t0"
    assert bench.suggest("b") is None
    bench.stage.hold = True
    bench.searcher.on_trial_complete("a", REPORT | {"final": True})
    assert bench.suggest("b") is None
    bench.stage.hold = False
    assert bench.suggest("b") == "FINISHED"
    assert bench.desk.over == "no more"


def test_verdict_of_the_stage_reaches_tune(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.suggest("a")
    assert bench.report("a", REPORT) == TrialScheduler.CONTINUE
    bench.stage.stop = True
    assert bench.report("a", REPORT) == TrialScheduler.STOP
    assert bench.report("unknown", REPORT) == TrialScheduler.CONTINUE
    assert bench.report("a", to_pause(2)) == TrialScheduler.CONTINUE
    assert bench.report("a", {"done": True}) == TrialScheduler.CONTINUE
    bench.searcher.on_trial_complete("a", REPORT)
    assert bench.stage.ends == [("t0", Ending({"validation/a/mean": 0.5}))]


def test_runs_with_workers_are_asked_to_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cooperative=True)
    bench.suggest("a")
    bench.stage.stop = True
    assert bench.report("a", REPORT) == TrialScheduler.CONTINUE
    assert requested(bench) == ["t0"]


@pytest.mark.parametrize(
    "act",
    [lambda bench: bench.suggest("c"), lambda bench: bench.report("a", REPORT)],
    ids=["next", "report"],
)
def test_defect_of_the_stage_ends_it_and_is_kept(
    act: Callable[[Bench], Any], tmp_path: Path
) -> None:
    bench = Bench(tmp_path, tasks=5, places=3)
    assert [bench.suggest(name) for name in "ab"] == ["t0", "t1"]
    bench.stage.defect = OSError("disk full")
    act(bench)
    assert bench.desk.defect is bench.stage.defect
    assert requested(bench) == ["t0", "t1"]
    bench.stage.defect = None
    assert bench.suggest("c") is None
    for name in "ab":
        bench.searcher.on_trial_complete(name, to_pause(2))
    assert bench.stage.ends == [], "a stage that broke is told nothing more"
    assert bench.suggest("c") == "FINISHED"


def test_interruption_asks_every_live_run_and_starts_no_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tasks=5)
    assert [bench.suggest(name) for name in "ab"] == ["t0", "t1"]
    bench.asked.ask()
    assert requested(bench) == ["t0", "t1"]
    bench.searcher.on_trial_complete("a", to_pause(4))
    assert bench.suggest("c") is None
    bench.searcher.on_trial_complete("b", to_pause(4))
    assert bench.suggest("c") == "FINISHED"
    assert [ending.paused for _, ending in bench.stage.ends] == [True, True]


def test_halt_of_the_stage_pauses_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tasks=5)
    assert [bench.suggest(name) for name in "ab"] == ["t0", "t1"]
    bench.stage.halted = "disk full"
    bench.searcher.on_trial_complete("a", to_fault(Fault.STORAGE, "disk full"))
    assert requested(bench) == ["t1"]
    assert bench.suggest("c") is None


def test_error_with_a_fault_is_that_fault_and_without_one_a_loss(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tasks=4, places=4)
    assert [bench.suggest(name) for name in "abcd"] == ["t0", "t1", "t2", "t3"]
    bench.report("a", to_fault(Fault.ERROR, "ValueError:  bad\n shape"))
    bench.lose("a", "Traceback\nValueError: bad shape", REPORT)
    bench.report("b", REPORT)
    bench.lose("b", "Traceback ...\n\nActorDiedError:  the   node died\n", REPORT)
    bench.lose("c", None, None)
    assert bench.idle == 0
    bench.searcher.on_trial_complete("d", to_fault(Fault.CONFIGURATION, "nan"))
    found = [(name, ending.fault, ending.reason) for name, ending in bench.stage.ends]
    assert found == [
        ("t0", Fault.ERROR, "ValueError: bad shape"),
        ("t1", Fault.LOST, "ActorDiedError: the node died; see driver.log"),
        ("t2", Fault.LOST, "its process went away; see driver.log"),
        ("t3", Fault.CONFIGURATION, "nan"),
    ]
    assert bench.idle == 1, "what a lost run holds is swept when no run is at work"
    bench.searcher.on_trial_complete("d", REPORT)
    assert len(bench.stage.ends) == 4, "an end is told once"


def test_start_is_passed_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.suggest("a")
    callback: Any = DeskCallback(bench.desk)
    callback.on_trial_start(0, [], SimpleNamespace(trial_id="a"))
    callback.on_trial_start(0, [], SimpleNamespace(trial_id="other"))
    assert bench.stage.begun == ["t0"]


def test_tune_pickles_nothing_of_the_study(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for part in (bench.searcher, bench.scheduler, DeskCallback(bench.desk)):
        assert b"Script" not in pickle.dumps(part)
