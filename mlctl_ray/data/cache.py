"""A folder cache keyed by content, shared by all trials of a machine (DESIGN.md, section 6).

A folder is built beside its place under another name and renamed into it, so that it is either
absent or whole. That alone makes the cache correct under any number of builders; the lock only
spares the work of building twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .cache_lock import build_lock, host_name, process_lives

MANIFEST = "manifest.json"
"""Names and sizes of a folder's files; written last."""


def content_key(*parts: str | bytes | int) -> str:
    """40 hexadecimal digits that differ when any part, or a part's type, differs.

    Each part is hashed after its type and its length, so ``("ab", "c")`` is not ``("a", "bc")``.
    """
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        kind = b"b" if isinstance(part, bytes) else b"s" if isinstance(part, str) else b"i"
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        digest.update(kind + len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def open_or_build(root: Path, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of `key`, built by `build` unless a whole one is there.

    Safe under several threads, processes and machines on one file system: normally one builds
    and the others wait; where two build at once, the folder that is finished first stays. A
    folder whose files do not have the sizes of its manifest is built again. A killed builder is
    noticed and its rest removed by the next.

    Args:
        root: folder of all caches; made when it is missing.
        key: from `content_key`.
        build: writes the files into the empty folder it is given. It may be called in several
            processes for one key and must write the same each time.

    Raises:
        InputError: `root` cannot be made or written (``data.cache``).
    """
    root = root.expanduser()
    final = root / key
    if is_complete(final):
        return final
    _make_root(root)
    with build_lock(root, key, until=lambda: is_complete(final)):
        if not is_complete(final):
            _sweep(root, key)
            _build_and_publish(final, build)
    return final


def _make_root(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(root, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason:
        raise InputError(
            f"data.cache: {str(root)!r} cannot be used ({reason}); "
            "allowed: a folder that can be written"
        )


def is_complete(folder: Path) -> bool:
    """Whether the folder has a manifest and every file in it has the size given there."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return isinstance(sizes, dict) and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError):
        return False


def _build_and_publish(final: Path, build: Callable[[Path], None]) -> None:
    temporary = _beside(final, "building")
    temporary.mkdir()
    try:
        build(temporary)
        _write_manifest(temporary)
        _publish(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, final: Path) -> None:
    while True:
        try:
            # A rename onto a folder that holds files fails, so a finished folder never changes.
            temporary.rename(final)
            return
        except OSError:
            if is_complete(final):
                return
            if not final.exists():
                raise
        broken = _beside(final, "broken")
        try:
            final.rename(broken)
        except FileNotFoundError:
            continue
        if broken.is_dir():
            shutil.rmtree(broken, ignore_errors=True)
        else:
            broken.unlink()


def _write_manifest(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        _flush(path)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / MANIFEST).write_text(json.dumps(sizes), encoding="utf-8")
    _flush(folder / MANIFEST)


def _flush(path: Path) -> None:
    # The sizes must not reach the disk before the contents do.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _beside(final: Path, what: str) -> Path:
    token = uuid.uuid4().hex[:12]
    return final.with_name(f".{final.name}.{what}.{os.getpid()}.{token}@{host_name()}")


def _sweep(root: Path, key: str) -> None:
    """Remove what killed processes of this host have left of `key`."""
    for what in ("building", "broken"):
        for path in root.glob(f".{key}.{what}.*@{host_name()}"):
            pid = path.name.removeprefix(f".{key}.{what}.").partition(".")[0]
            if pid.isdigit() and not process_lives(int(pid)):
                shutil.rmtree(path, ignore_errors=True)
