"""What a whole checkpoint consists of: size and CRC-32 of every file, written last."""

from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .storage import replace_text, storage, sync

FILE = "manifest.json"
FORMAT = 1
_CHUNK = 1 << 20
_BROKEN = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a checkpoint says of itself.

    Attributes:
        step: optimiser steps done; None if training cannot go on from it.
        device_hours: hours that the run had held devices, as `keys.DEVICE_HOURS`.
        files: size in bytes and CRC-32 of each file, by its path in the folder.
    """

    step: int | None
    device_hours: float
    files: Mapping[str, tuple[int, int]]


def write_manifest(folder: Path, step: int | None, device_hours: float) -> None:
    """Flush every file of the folder to the disk, then write what it consists of."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE)
    for path in files:
        sync(path)
    for path in (path for path in folder.rglob("*") if path.is_dir()):
        sync(path)
    entries = {path.relative_to(folder).as_posix(): _measure(path) for path in files}
    put_manifest(folder, Manifest(step, device_hours, entries))


def put_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest over the one that there is, if any."""
    files = {
        name: {"size": size, "crc32": crc} for name, (size, crc) in sorted(manifest.files.items())
    }
    body = {
        "format": FORMAT,
        "step": manifest.step,
        "device_hours": manifest.device_hours,
        "files": files,
    }
    replace_text(folder / FILE, _text(body | {"crc32": zlib.crc32(_text(body).encode())}))


def read_manifest(folder: Path) -> Manifest:
    """Read a checkpoint's manifest; its files are not looked at.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it is damaged, or of another format.
    """
    content = json.loads((folder / FILE).read_bytes())
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    crc = content.pop("crc32", None)
    if crc != zlib.crc32(_text(content).encode()):
        raise ValueError("its content does not fit its CRC-32")
    files = {name: (entry["size"], entry["crc32"]) for name, entry in content["files"].items()}
    return Manifest(content["step"], content["device_hours"], files)


def why_broken(folder: Path) -> str | None:
    """The first file of a checkpoint that is not as it was written, and why; None if it is whole.

    Raises:
        StorageFailure: the storage does not answer, which says nothing about the checkpoint.
    """
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        return f"{FILE}: {error}"
    except OSError as error:
        return f"{FILE}: {_reason(folder / FILE, error)}"
    for name, expected in manifest.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != expected[0]:
                return f"{name}: {size} bytes of {expected[0]}"
            if _measure(path) != expected:
                return f"{name}: its content does not fit its CRC-32"
        except OSError as error:
            return f"{name}: {_reason(path, error)}"
    return None


def _reason(path: Path, error: OSError) -> str:
    """Why a file that is missing or on a bad block cannot be read; other causes are raised."""
    if error.errno not in _BROKEN:
        with storage(path):
            raise error
    return error.strerror or type(error).__name__


def _measure(path: Path) -> tuple[int, int]:
    size, crc = 0, 0
    with path.open("rb") as file:
        for chunk in _chunks(file):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return size, crc


def _chunks(file: Any) -> Iterable[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
