"""Opening data sets laid out as on the hub, from a hub id or a local folder alike."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import InputError
from .paths import local_folder

_LISTED = 40
"""Most names that an error message lists."""


def choose_configuration(path: str, candidates: Sequence[str], field: str, name_field: str) -> str:
    """Return the first of `candidates` that is a configuration of the data set at `path`.

    Raises `InputError` naming `field` for a missing folder and for data that cannot be read, and
    naming `name_field`, with the configurations that there are, for want of all `candidates`.
    """
    with _reading(path, field) as (datasets, location):
        available = datasets.get_dataset_config_names(location)
    for name in candidates:
        if name in available:
            return name
    wanted = " or ".join(repr(name) for name in candidates)
    raise InputError(
        f"{name_field}: {path!r} has no configuration {wanted}; it has {listed(available)}"
    )


def open_split(path: str, name: str, split: str, field: str, split_field: str) -> Any:
    """Return the `datasets.Dataset` of one split of the configuration `name`, memory-mapped.

    Raises `InputError` for a split that does not exist (named `split_field`) or holds no row.
    """
    with _reading(path, field) as (datasets, location):
        builder = datasets.load_dataset_builder(location, name)
        _require_split(builder, path, name, split, split_field)
        builder.download_and_prepare()
        if builder.info.splits[split].num_examples == 0:
            raise _empty(path, name, split, split_field)
        return builder.as_dataset(split=split)


def first_row(path: str, name: str, split: str, field: str, split_field: str) -> Mapping[str, Any]:
    """Return the first row of a split without reading the rest; raises as `open_split` does."""
    with _reading(path, field) as (datasets, location):
        builder = datasets.load_dataset_builder(location, name)
        _require_split(builder, path, name, split, split_field)
        row: Mapping[str, Any] | None = next(iter(builder.as_streaming_dataset(split=split)), None)
    if row is None:
        raise _empty(path, name, split, split_field)
    return row


def require_columns(have: Sequence[str], need: Mapping[str, str], where: str) -> None:
    """Raise `InputError` for the first column of `need` (field name to column) that is missing."""
    for field, column in need.items():
        if column not in have:
            raise InputError(f"{field}: {where} has no column {column!r}; it has {listed(have)}")


def listed(names: Sequence[str]) -> str:
    """Return the names in one line, the list cut where it is long."""
    more = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _require_split(builder: Any, path: str, name: str, split: str, field: str) -> None:
    available = [str(key) for key in builder.config.data_files or builder.info.splits or ()]
    if split not in available:
        raise InputError(
            f"{field}: {path!r} has no split {split!r} in {name!r}; it has {listed(available)}"
        )


def _empty(path: str, name: str, split: str, field: str) -> InputError:
    return InputError(f"{field}: the split {split!r} of {name!r} in {path!r} holds no row")


@contextmanager
def _reading(path: str, field: str) -> Iterator[tuple[Any, str]]:
    """Give `datasets`, quiet, and the place to read; turn its errors into one line."""
    folder = local_folder(path, field)
    import datasets
    from datasets.exceptions import DatasetsError
    from huggingface_hub.utils import logging as hub_logging

    bars = not datasets.are_progress_bars_disabled()
    verbosity = datasets.logging.get_verbosity(), hub_logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    hub_logging.set_verbosity(logging.CRITICAL)
    try:
        yield datasets, path if folder is None else str(folder)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        reason = _reason(error)
        hint = "" if folder else "; allowed: a hub id that can be reached, or an existing folder"
        raise InputError(f"{field}: cannot read {path!r} ({reason}){hint}") from None
    finally:
        if bars:
            datasets.enable_progress_bars()
        datasets.logging.set_verbosity(verbosity[0])
        hub_logging.set_verbosity(verbosity[1])


def _reason(error: BaseException) -> str:
    """First line of the error at the root: `datasets` wraps what went wrong in a file."""
    while error.__cause__ is not None:
        error = error.__cause__
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # `datasets` reads a parquet file in batches of its first row group's size.
    return "a parquet file holds no row" if "BatchSize must be greater than 0" in reason else reason
