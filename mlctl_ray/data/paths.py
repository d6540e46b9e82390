"""Telling local folders from hub ids, so that local data never asks the network."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError


def local_folder(name: str, field: str) -> Path | None:
    """Return the folder that `name` names, or None when `name` is a hub id (`owner/name`).

    A name is a path when such a folder exists, when it starts with ``.``, ``/`` or ``~``, or when
    its parent folder exists. A path without a folder raises `InputError` naming `field`.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    has_parent = len(folder.parts) > 1 and folder.parent.is_dir()
    if has_parent or name.startswith((".", "/", "~")):
        state = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{field}: {name!r} {state}; allowed: a hub id or an existing folder")
    return None
