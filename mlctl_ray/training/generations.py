"""The two generations of a checkpoint: the newest, and the one before in case it is damaged.

``<name>/`` is the newest and ``<name>.previous/`` the one before. A checkpoint is written under
another name and swapped in by renames, so that at every moment a whole one is at either place.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from .manifest import Manifest, put_manifest, read_manifest, why_broken
from .storage import remove_partials, storage, sync

LOOP_FILES = ("training.pt", "rng-*.pt")
"""What only training goes on from."""

_log = logging.getLogger(__name__)


def previous_of(folder: Path) -> Path:
    """The place of the generation before."""
    return folder.with_name(f"{folder.name}.previous")


def _retired(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def find_checkpoint(folder: Path) -> Path | None:
    """The newest generation that is whole by the sizes and checksums of its manifest.

    A damaged one is passed over with a warning that names the file and what is wrong with it.

    Raises:
        StorageFailure: the storage does not answer.
    """
    for candidate in (folder, previous_of(folder)):
        reason = why_broken(candidate)
        if reason is None:
            return candidate
        if candidate.exists():
            _log.warning("%s: not a whole checkpoint, passed over: %s", candidate, reason)
    return None


def swap_in(partial: Path, folder: Path) -> None:
    """Make a finished folder the newest generation, and the newest the one before."""
    previous, retired = previous_of(folder), _retired(folder)
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        if previous.exists():
            previous.replace(retired)
        folder.replace(previous)
    partial.replace(folder)
    sync(folder.parent)
    shutil.rmtree(retired, ignore_errors=True)


def drop_damaged(folder: Path, found: Path) -> None:
    """Remove a damaged newest generation, so that the next swap keeps the whole one `found`."""
    if found != folder and folder.exists():
        retired = _retired(folder)
        shutil.rmtree(retired, ignore_errors=True)
        folder.replace(retired)
        shutil.rmtree(retired, ignore_errors=True)


def device_hours(folder: Path) -> float:
    """The most device-hours that a generation recorded, whether or not its files are whole."""
    return max((manifest.device_hours for manifest in _manifests(folder)), default=0.0)


def _manifests(folder: Path) -> list[Manifest]:
    found = []
    for candidate in (folder, previous_of(folder)):
        try:
            found.append(read_manifest(candidate))
        except (OSError, ValueError):
            continue
    return found


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left beside a checkpoint."""
    remove_partials(folder.parent, folder.name)
    shutil.rmtree(_retired(folder), ignore_errors=True)


def remove_checkpoints(folder: Path) -> None:
    """Remove both generations of a checkpoint and what killed writers left.

    Raises:
        StorageFailure: a file cannot be removed.
    """
    with storage(folder):
        remove_leftovers(folder)
        for generation in (folder, previous_of(folder)):
            if generation.exists():
                shutil.rmtree(generation)


def strip_loop_state(folder: Path) -> None:
    """Leave of an ended run's checkpoint what evaluation needs, in one generation.

    The newest stays whole at every moment. If it is damaged nothing is changed, as then the run
    has to go on from the generation before.

    Raises:
        StorageFailure: a file cannot be written or removed.
    """
    if find_checkpoint(folder) != folder:
        return
    with storage(folder):
        manifest = read_manifest(folder)
        loop = {path.name for pattern in LOOP_FILES for path in folder.glob(pattern)}
        kept = {name: entry for name, entry in manifest.files.items() if name not in loop}
        put_manifest(folder, Manifest(manifest.step, manifest.device_hours, kept))
        for name in loop:
            (folder / name).unlink()
        remove_leftovers(folder)
        if previous_of(folder).exists():
            shutil.rmtree(previous_of(folder))
