"""Reading sentence pairs laid out as OPUS-100 or Tatoeba."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import InputError
from .examples import ParallelPair
from .hub import choose_configuration, first_row, listed, open_split

Sides = Callable[[Mapping[str, Any]], tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class PairPlace:
    """The pairs of two languages in one split of a data set; `field` is the section that says so.

    `name` is the configuration, `<source>-<language>` or `<language>-<source>`.
    """

    path: str
    name: str
    split: str
    source: str
    language: str
    field: str

    def __str__(self) -> str:
        return f"{self.path!r}, {self.name!r}, {self.split!r}"


def find_pairs(path: str, split: str, source: str, language: str, field: str) -> PairPlace:
    """Return where the pairs stand; `InputError` lists the configurations when there are none."""
    candidates = (f"{source}-{language}", f"{language}-{source}")
    # Retrieval has no languages of its own: it takes the zero-shot languages.
    own = field == "data.parallel"
    languages_field = f"{field}.languages" if own else "data.nli.languages"
    name = choose_configuration(path, candidates, f"{field}.path", languages_field)
    return PairPlace(path, name, split, source, language, field)


def read_pairs(place: PairPlace, size: int | None) -> tuple[ParallelPair, ...]:
    """Read the first `size` pairs (all for None) of which no side is empty or white space.

    A `translation` column holds both sides by language; with columns `sentence1` and `sentence2`
    the order is that of the configuration's name. Raises `InputError` for a missing split or
    column, for a side that is no text, and when no pair is left.
    """
    dataset = open_split(
        place.path, place.name, place.split, f"{place.field}.path", f"{place.field}.split"
    )
    sides = _sides(place, dataset.column_names)
    found = (_pair(place, sides, index, row) for index, row in enumerate(dataset))
    pairs = tuple(islice((pair for pair in found if pair is not None), size))
    if not pairs:
        raise InputError(f"{place.field}.split: {place} holds no pair without an empty side")
    return pairs


def check_pairs(place: PairPlace) -> None:
    """Check split, columns and languages of a place by its first row; raises as `read_pairs`."""
    row = first_row(
        place.path, place.name, place.split, f"{place.field}.path", f"{place.field}.split"
    )
    _pair(place, _sides(place, tuple(row)), 0, row)


def _sides(place: PairPlace, columns: Sequence[str]) -> Sides:
    if "translation" in columns:
        return lambda row: _translations(place, row["translation"])
    if "sentence1" in columns and "sentence2" in columns:
        if place.name == f"{place.source}-{place.language}":
            return lambda row: (row["sentence1"], row["sentence2"])
        return lambda row: (row["sentence2"], row["sentence1"])
    raise InputError(
        f"{place.field}.path: {place} has neither a column 'translation' nor the columns "
        f"'sentence1' and 'sentence2'; it has {listed(columns)}"
    )


def _translations(place: PairPlace, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, Mapping) or not {place.source, place.language} <= value.keys():
        raise InputError(
            f"{place.field}.path: column 'translation' of {place} must hold "
            f"{place.source!r} and {place.language!r}, not {str(value)[:80]}"
        )
    return value[place.source], value[place.language]


def _pair(
    place: PairPlace, sides: Sides, index: int, row: Mapping[str, Any]
) -> ParallelPair | None:
    source, target = sides(row)
    if source is None or target is None:
        return None
    if not (isinstance(source, str) and isinstance(target, str)):
        raise InputError(f"{place.field}.path: row {index} of {place} holds a side that is no text")
    if not source.strip() or not target.strip():
        return None
    return ParallelPair(source, target, place.language)
