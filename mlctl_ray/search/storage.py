"""Optuna's storage of a study: the one source of truth about which trials exist."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ..config import StudyConfig
from ..errors import InputError
from ..tracking.uri import redacted
from .folder import StudyFolder
from .measures import objectives

_STALE_LOCK_S = 5
"""Age of a journal's lock that no living writer holds: a write takes milliseconds."""


def open_storage(config: StudyConfig, folder: StudyFolder) -> BaseStorage:
    """The storage of a study: its journal, or the database of `study.optuna_storage`.

    Raises:
        InputError: the database cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    url = config.study.optuna_storage
    if url is None:
        return JournalStorage(JournalFileBackend(str(folder.journal)))
    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except (SQLAlchemyError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        shown = redacted(url)
        raise InputError(f"study.optuna_storage: {shown!r} cannot be opened: {reason}") from None


def study_exists(config: StudyConfig, folder: StudyFolder) -> bool:
    """Whether the storage holds the study; makes nothing."""
    if config.study.optuna_storage is None:
        return folder.journal.is_file() and folder.journal.stat().st_size > 0
    url = make_url(config.study.optuna_storage)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return False  # opening it would make the file
    names = optuna.get_all_study_names(open_storage(config, folder))
    return config.study.name in names


def repair_journal(path: Path) -> bool:
    """Cut off a last line that a killed process or a full disk left unfinished.

    Such a line was never acknowledged, and the next append would make the journal unreadable. A
    lock that a killed process left is removed. Call it while holding the study.

    Returns:
        Whether anything was cut off.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        if time.time() - lock.lstat().st_mtime > _STALE_LOCK_S:
            lock.unlink()
    except FileNotFoundError:
        pass
    if not path.is_file():
        return False
    with path.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole == len(content):
            return False
        file.truncate(whole)
        file.flush()
        os.fsync(file.fileno())
    return True


def make_study(config: StudyConfig, folder: StudyFolder) -> optuna.Study:
    """The study in its storage, made if it is not there."""
    return optuna.create_study(
        storage=open_storage(config, folder),
        study_name=config.study.name,
        directions=[objective.direction for objective in objectives(config)],
        load_if_exists=True,
    )


def load_study(config: StudyConfig, folder: StudyFolder) -> optuna.Study:
    """The study in its storage, to read."""
    return optuna.load_study(study_name=config.study.name, storage=open_storage(config, folder))
