"""The journal after a kill, a database in its place, and others who read along."""

from __future__ import annotations

import json
import os
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from simulated import Driver, desk_of, drive, search, shape, simulated
from small_study import journal

from mlctl_ray.errors import InputError
from mlctl_ray.search.folder import StudyFolder
from mlctl_ray.search.protocol import TrialTask
from mlctl_ray.search.storage import load_study, open_storage, repair_journal, study_exists


def tear(path: Path) -> bytes:
    """Leave half of the last line; what stood before it."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2])
    return b"".join(lines[:-1])


def test_optuna_alone_cannot_go_on_after_a_torn_line(tmp_path: Path) -> None:
    driver = search(simulated(tmp_path, {"study.trials": 3}))
    tear(driver.folder.journal)
    study = load_study(driver.config, driver.folder)
    with pytest.raises(json.JSONDecodeError):
        study.set_user_attr("a", 1)
        study.set_user_attr("b", 2)
    with pytest.raises(json.JSONDecodeError):
        journal(driver.folder.root)


def test_torn_last_line_is_cut_and_all_before_it_stays(tmp_path: Path) -> None:
    driver = search(simulated(tmp_path, {"study.trials": 3}))
    whole = tear(driver.folder.journal)
    assert repair_journal(driver.folder.journal)
    assert driver.folder.journal.read_bytes() == whole
    assert not repair_journal(driver.folder.journal)
    again = Driver(driver.config)
    again.book.write_note("a", 1)
    assert load_study(driver.config, driver.folder).user_attrs["a"] == 1


@pytest.mark.parametrize("content", [b"", b"{", b'{"op_code"'])
def test_journal_without_a_whole_line_becomes_empty(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    assert not repair_journal(path)
    path.write_bytes(content)
    assert repair_journal(path) == bool(content)
    assert path.read_bytes() == b""


def test_lock_that_a_killed_process_left_is_removed_and_a_fresh_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    path.write_bytes(b"")
    lock = tmp_path / "optuna.journal.lock"
    lock.symlink_to(path)
    repair_journal(path)
    assert lock.is_symlink()
    os.utime(lock, (1.0, 1.0), follow_symlinks=False)
    repair_journal(path)
    assert not lock.is_symlink()
    JournalStorage(JournalFileBackend(str(path))).create_new_study([optuna.study.StudyDirection(1)])


def test_database_holds_the_same_study_as_a_journal(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    kept = search(simulated(tmp_path / "a"))
    there = search(simulated(tmp_path / "b", {"study.optuna_storage": url}))
    assert shape(there.book.trials()) == shape(kept.book.trials())
    assert not there.folder.journal.exists()
    assert optuna.get_all_study_names(RDBStorage(url)) == ["tiny"]


def test_search_in_a_database_goes_on_after_its_driver(tmp_path: Path) -> None:
    changes = {"study.optuna_storage": f"sqlite:///{tmp_path / 'studies.db'}"}
    whole = search(simulated(tmp_path / "whole"))
    first = Driver(simulated(tmp_path / "parts", changes))
    stage = first.stage()
    for live in range(2):
        assert isinstance(stage.next(live), TrialTask)
    second = Driver(first.config)
    assert second.book.running() == (0, 1)
    assert drive(second.config, desk_of(second.stage())) == "trials"
    drawn = [trial.params for trial in second.book.trials()]
    assert drawn[:2] == [trial.params for trial in whole.book.trials()][:2]
    assert len(drawn) == 9 and second.book.running() == ()


def test_study_can_be_read_by_its_name_while_it_is_written(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path))
    stage = driver.stage()
    reader = JournalStorage(JournalFileBackend(str(driver.folder.journal)))
    seen = []
    for live in range(3):
        stage.next(live)
        seen.append(len(optuna.load_study(study_name="tiny", storage=reader).trials))
    assert seen == [1, 2, 3]
    summaries = optuna.get_all_study_summaries(reader)
    assert [(s.study_name, s.n_trials) for s in summaries] == [("tiny", 3)]


@pytest.mark.parametrize("database", [False, True])
def test_looking_for_a_study_makes_nothing(database: bool, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    config = simulated(tmp_path / "runs", {"study.optuna_storage": url} if database else {})
    assert not study_exists(config, StudyFolder.of(config))
    assert list(tmp_path.iterdir()) == []
    driver = Driver(config)
    assert study_exists(config, driver.folder)
    other = simulated(tmp_path / "runs", {"study.name": "other", **(
        {"study.optuna_storage": url} if database else {}
    )})  # fmt: skip
    assert not study_exists(other, StudyFolder.of(other))


@pytest.mark.parametrize(
    "url",
    ["sqlite:////nowhere/at/all/x.db", "postgresql+nosuch://me:secret@host/db"],
)
def test_database_that_cannot_be_opened_is_refused_without_its_password(
    url: str, tmp_path: Path
) -> None:
    config = simulated(tmp_path, {"study.optuna_storage": url})
    with pytest.raises(InputError) as caught:
        open_storage(config, StudyFolder.of(config))
    line = str(caught.value)
    assert line.startswith("study.optuna_storage: ") and "\n" not in line
    assert "secret" not in line
