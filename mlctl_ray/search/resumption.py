"""Whether a study may be begun, or gone on with."""

from __future__ import annotations

from ..config import StudyConfig, flatten, load_config, plain
from ..errors import InputError
from . import attributes as names
from .book import Book
from .confirmation import check_confirmation, confirmation_begun
from .folder import StudyFolder
from .storage import load_study, study_exists
from .warm_start import read_old

CHANGEABLE = (
    "data.cache",
    "study.trials",
    "study.max_hours",
    "study.max_device_hours",
    "study.max_cost",
    "study.terminator",
    "study.asha",
    "study.retries",
    "study.concurrency",
    "study.confirmation",
    "study.keep_checkpoints",
    "study.price_per_device_hour",
    "study.currency",
)
"""Fields that may be another at a resumption: they change no trial."""


def check_folder(
    config: StudyConfig, folder: StudyFolder, *, resume: bool, warm_start: str | None = None
) -> None:
    """Whether the study can be begun, or gone on with; changes nothing.

    Raises:
        InputError: the study exists and is not to be resumed; there is none to resume; it was
            begun with another configuration; or its confirmation has used the test split and
            there would be more trials, seeds or variants.
    """
    if resume and warm_start:
        raise InputError("--warm-start: begins a study, --resume goes on with one; give one")
    exists = study_exists(config, folder)
    if exists and not resume:
        raise InputError(
            f"study.name: {config.study.name!r} exists in {folder.root.parent}; go on with it by "
            "--resume, or start another by --set study.name=NEW"
        )
    if resume and not exists:
        raise InputError(f"--resume: no study {config.study.name!r} in {folder.root.parent}")
    if resume:
        _check_unchanged(config, folder)
        _check_confirmation(config, folder)
    if warm_start:
        read_old(config, warm_start)


def _check_unchanged(config: StudyConfig, folder: StudyFolder) -> None:
    if not folder.config.is_file():
        return
    before = flatten(plain(load_config(StudyConfig, folder.config)))
    now = flatten(plain(config))
    changed = [
        name
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not _changeable(name)
    ]
    if not changed:
        return
    name = changed[0]
    more = f" (and {len(changed) - 1} more: {', '.join(changed[1:4])})" if changed[1:] else ""
    raise InputError(
        f"--resume: {name} is {now.get(name)!r}, but the study was begun with "
        f"{before.get(name)!r}{more}; allowed to change: {', '.join(CHANGEABLE)}; for anything "
        f"else begin another study on its results: --set study.name=NEW --warm-start "
        f"{config.study.name}"
    )


def _changeable(name: str) -> bool:
    return any(name == field or name.startswith(field + ".") for field in CHANGEABLE)


def _check_confirmation(config: StudyConfig, folder: StudyFolder) -> None:
    book = Book(config, load_study(config, folder))
    held = confirmation_begun(book)
    if held is None:
        return
    trials = book.own_trials()
    if config.study.trials > len(trials) and book.note(names.ENDED_BY) == "trials":
        raise InputError(
            f"study.trials: {config.study.trials} is more than the {len(trials)} that the "
            "confirmation on test was based on; begin another study on their results: --set "
            f"study.name=NEW --warm-start {config.study.name}"
        )
    check_confirmation(config, held)
