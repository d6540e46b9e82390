"""What a new study takes from an old one: results that mean the same in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from ..config import StudyConfig, flatten, load_config
from ..errors import InputError
from . import attributes as names
from .book import Book
from .folder import StudyFolder
from .measures import objectives, violations
from .sampling import decode, encode
from .storage import load_study

_NO_MATTER = ("scaling.", "data.cache", "seed")
"""Fields that change no result, or that every trial has of its own."""


def read_old(config: StudyConfig, name: str) -> StudyConfig:
    """The configuration of the study whose results are taken.

    Raises:
        InputError: there is none of that name; it has other objectives; or a field that neither
            study searches differs, so that results would not be comparable.
    """
    folder = StudyFolder.named(config.study.storage, name)
    if name == config.study.name or not folder.config.is_file():
        there = sorted(p.parent.name for p in folder.root.parent.glob("*/study.yaml"))
        raise InputError(
            f"--warm-start: no other study {name!r} in {folder.root.parent}; there: "
            f"{', '.join(there) or 'none'}"
        )
    old = load_config(StudyConfig, folder.config)
    if objectives(old) != objectives(config):
        theirs, ours = (", ".join(o.name for o in objectives(c)) for c in (old, config))
        raise InputError(f"--warm-start: {name!r} has the objective {theirs}, this study {ours}")
    before, now = flatten(old.run_tree()), flatten(config.run_tree())
    for field in sorted(before.keys() | now.keys()):
        searched = field in old.study.space or field in config.study.space
        if before.get(field) != now.get(field) and not searched and not _no_matter(field):
            raise InputError(
                f"--warm-start: {field} is {before.get(field)!r} in {name!r} and "
                f"{now.get(field)!r} here, so their results are not comparable"
            )
    return old


def note_warm_start(book: Book, name: str) -> None:
    """Keep whose results a new study takes, so that no kill loses it."""
    book.write_note(names.WARM_START, {"name": name, "done": False})


def import_trials(book: Book) -> str | None:
    """Add the finished and stopped trials of a study that mean the same in this one.

    They inform the sampler and the rungs; they are none of this study's trials. An import that an
    earlier driver did not end is ended.

    Returns:
        A line for the user; None if there was nothing to do.
    """
    note = book.note(names.WARM_START)
    if note is None or note["done"]:
        return None
    config, name = book.config, str(note["name"])
    old = read_old(config, name)
    there = load_study(old, StudyFolder.named(config.study.storage, name)).get_trials(False)
    there = [t for t in there if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    taken = [t for trial in there if (t := _translated(trial, old, config, name)) is not None]
    before = {t.user_attrs.get(names.IMPORTED) for t in book.trials()}
    for trial in taken:
        if trial.user_attrs[names.IMPORTED] not in before:
            book.imported(trial)
    book.write_note(names.WARM_START, {**note, "done": True})
    return f"warm start: {len(taken)} of {len(there)} results of {name!r} inform the sampler"


def _translated(
    trial: FrozenTrial, old: StudyConfig, new: StudyConfig, name: str
) -> FrozenTrial | None:
    """The trial in the new space; None if it lies outside."""
    values = flatten(old.run_tree()) | decode(trial.params, old.study.space)
    if not _same_outside_the_space(values, old, new):
        return None
    found = encode(values, new.study.space)
    if found is None:
        return None
    params, distributions = found
    metrics = trial.user_attrs.get(names.METRICS, {})
    kept = {names.IMPORTED: f"{name}#{trial.number}", names.METRICS: metrics}
    limits = violations(new, metrics) if trial.state is TrialState.COMPLETE else {}
    return create_trial(
        state=trial.state,
        values=trial.values,
        params=params,
        distributions=distributions,
        user_attrs=kept,
        intermediate_values=trial.intermediate_values,
        constraints=limits or None,
    )


def _same_outside_the_space(values: Mapping[str, Any], old: StudyConfig, new: StudyConfig) -> bool:
    """Whether what only the old study searched has the new study's fixed value."""
    fixed = flatten(new.run_tree())
    only_old = old.study.space.keys() - new.study.space.keys()
    return all(values.get(field) == fixed.get(field) for field in only_old)


def _no_matter(field: str) -> bool:
    return field.startswith(_NO_MATTER)
