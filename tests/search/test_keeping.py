"""Checkpoints stay for the best trials and are deleted as trials fall behind."""

from __future__ import annotations

from pathlib import Path

from simulated import search, simulated

from mlctl_ray.search.folder import StudyFolder
from mlctl_ray.search.keeping import CheckpointKeeper, kept_numbers
from mlctl_ray.search.protocol import TrialTask
from mlctl_ray.search.results import rank_trials


def task(folder: StudyFolder, number: int) -> TrialTask:
    return TrialTask(number, f"trial-{number:04d}", None, {}, str(folder.trial(number)), ())


def saved(folder: StudyFolder, number: int) -> None:
    (folder.trial(number) / "checkpoint").mkdir(parents=True, exist_ok=True)


def there(folder: StudyFolder) -> set[int]:
    return {int(path.parent.name) for path in folder.root.glob("trials/*/checkpoint")}


def test_first_end_deletes_what_an_earlier_driver_left_and_later_ends_their_own(
    tmp_path: Path,
) -> None:
    driver = search(simulated(tmp_path, {"study.keep_checkpoints": 2}))
    ranking = rank_trials(driver.book.own_trials(), driver.config)
    best = {trial.number for trial in ranking[:2]}
    others = [trial.number for trial in ranking[2:]]
    assert kept_numbers(ranking, 2) == best and len(others) >= 3
    for trial in ranking:
        saved(driver.folder, trial.number)
    keeper = CheckpointKeeper(driver.book, driver.folder)
    keeper.ended(task(driver.folder, others[0]), "paused")
    assert there(driver.folder) == best | set(others), "a paused run goes on from its checkpoint"
    keeper.ended(task(driver.folder, others[0]), "pruned")
    assert there(driver.folder) == best
    saved(driver.folder, others[1])
    keeper.ended(task(driver.folder, others[1]), "failed")
    assert there(driver.folder) == best


def test_checkpoint_that_falls_behind_is_deleted_at_the_end_of_the_better_trial(
    tmp_path: Path,
) -> None:
    driver = search(simulated(tmp_path, {"study.keep_checkpoints": 1, "study.asha": None}))
    trials = driver.book.own_trials()
    ranking = rank_trials(trials, driver.config)
    best = ranking[0].number
    early = [trial for trial in trials if trial.number != best]
    driver.book.own_trials = lambda: early  # type: ignore[method-assign]
    keeper = CheckpointKeeper(driver.book, driver.folder)
    for trial in early:
        saved(driver.folder, trial.number)
    keeper.ended(task(driver.folder, early[-1].number), "pruned")
    assert there(driver.folder) == {rank_trials(early, driver.config)[0].number}
    driver.book.own_trials = lambda: trials  # type: ignore[method-assign]
    saved(driver.folder, best)
    keeper.ended(task(driver.folder, best), "pruned")
    assert there(driver.folder) == {best}
