"""Reading NLI examples, parallel pairs and retrieval pairs of one language."""

from __future__ import annotations

from typing import Any, Literal

from ..config.data import EMBEDDED, DataConfig, NliSource
from ..errors import InputError
from .examples import LABELS, NliExample, ParallelPair
from .hub import choose_configuration, first_row, open_split, require_columns
from .lexicon import missing_lexicons
from .pairs import check_pairs, find_pairs, read_pairs

Role = Literal["train", "validation", "test"]

EMBEDDED_NLI_SIZES: dict[Role, int] = {"train": 12_000, "validation": 300, "test": 600}
"""Rows of the embedded NLI splits when the configuration gives no size."""
EMBEDDED_PARALLEL_SIZE = 4_000
"""Embedded training pairs of a language when the configuration gives no size."""
EMBEDDED_RETRIEVAL_SIZE = 300
"""Embedded retrieval pairs of a language when the configuration gives no size."""
UNLABELLED = -1
"""Label of a row that has none; such rows are dropped."""


def load_nli(config: NliSource, language: str, role: Role, *, seed: int) -> tuple[NliExample, ...]:
    """Read the NLI examples of `language` from the split that `role` names.

    `example_id` is the index of the row in its split, so that the same id is the same content in
    every language of XNLI. Of the first `train_size` or `evaluation_size` rows those without a
    label (-1 or null) are dropped. `seed` draws the embedded corpus and is of no effect otherwise.

    Raises `InputError` for a missing folder, configuration, split or column, for a label that is
    no integer from -1 to 2, for a premise or hypothesis that is no text, and for an empty result.
    """
    if config.path == EMBEDDED:
        return _embedded_nli(config, language, role, seed)
    name, split = _place(config, language, role)
    dataset = open_split(config.path, name, split, "data.nli.path", f"data.nli.{role}_split")
    where = f"{config.path!r}, {name!r}, {split!r}"
    columns = _columns(config, dataset.column_names, where)
    size = _size(config, role)
    if size is not None:
        dataset = dataset.select(range(min(size, len(dataset))))
    table = dataset.select_columns(list(columns))[:]
    rows = zip(*(table[column] for column in columns), strict=True)
    found = (_example(index, row, where) for index, row in enumerate(rows))
    examples = tuple(example for example in found if example is not None)
    if not examples:
        raise InputError(f"data.nli.{role}_split: {where} holds no row with a label")
    return examples


def load_parallel(config: DataConfig, language: str) -> tuple[ParallelPair, ...]:
    """Read the sentence pairs of the source language and `language`, laid out as OPUS-100.

    The configuration is `<source>-<language>` or `<language>-<source>`. Pairs with an empty side
    are dropped; `size` counts the pairs that stay. Embedded pairs have gold alignments.

    Raises `InputError` as `load_nli` does, and when `config.parallel` is not set.
    """
    origin = config.parallel
    if origin is None:
        raise InputError("data.parallel: is not set; allowed: a source of parallel text")
    if origin.path == EMBEDDED:
        size = origin.size or EMBEDDED_PARALLEL_SIZE
        return _embedded_pairs(config, language, origin.split, size, "data.parallel")
    source = config.nli.source
    place = find_pairs(origin.path, origin.split, source, language, "data.parallel")
    return read_pairs(place, origin.size)


def load_retrieval(config: DataConfig, language: str) -> tuple[ParallelPair, ...]:
    """Read the pairs that retrieval searches, laid out as Tatoeba.

    The configuration is `<language>-<source>`, where `sentence1` is the target and `sentence2` the
    source, or `<source>-<language>`, where it is the other way round; a `translation` column as in
    OPUS-100 is read as well. The embedded corpus gives its validation pairs.

    Raises `InputError` as `load_nli` does, and when `config.retrieval` is not set.
    """
    origin = config.retrieval
    if origin is None:
        raise InputError("data.retrieval: is not set; allowed: a source of retrieval pairs")
    if origin.path == EMBEDDED:
        size = origin.size or EMBEDDED_RETRIEVAL_SIZE
        return _embedded_pairs(config, language, "validation", size, "data.retrieval")
    source = config.nli.source
    place = find_pairs(origin.path, origin.split, source, language, "data.retrieval")
    return read_pairs(place, origin.size)


def check_sources(config: DataConfig) -> None:
    """Check every configuration, split, column and lexicon that a run needs, by single rows.

    Raises `InputError` for the first problem, in the order NLI, parallel, retrieval, lexicons.
    """
    for language in config.nli.languages:
        if language == config.nli.source:
            _check_nli(config, language, "train")
        _check_nli(config, language, "validation")
        _check_nli(config, language, "test")
    source = config.nli.source
    if config.parallel is not None:
        path, split = config.parallel.path, config.parallel.split
        for language in config.parallel_languages:
            if path == EMBEDDED:
                size = config.parallel.size or EMBEDDED_PARALLEL_SIZE
                _embedded_pairs(config, language, split, size, "data.parallel", check=True)
            else:
                check_pairs(find_pairs(path, split, source, language, "data.parallel"))
    if config.retrieval is not None:
        path, split = config.retrieval.path, config.retrieval.split
        for language in config.nli.targets:
            if path == EMBEDDED:
                size = config.retrieval.size or EMBEDDED_RETRIEVAL_SIZE
                _embedded_pairs(config, language, "validation", size, "data.retrieval", check=True)
            else:
                check_pairs(find_pairs(path, split, source, language, "data.retrieval"))
    missing_lexicons(config)


def _check_nli(config: DataConfig, language: str, role: Role) -> None:
    nli = config.nli
    if nli.path == EMBEDDED:
        _embedded_nli(nli, language, role, config.seed, check=True)
        return
    name, split = _place(nli, language, role)
    row = first_row(nli.path, name, split, "data.nli.path", f"data.nli.{role}_split")
    where = f"{nli.path!r}, {name!r}, {split!r}"
    columns = _columns(nli, tuple(row), where)
    _example(0, tuple(row[column] for column in columns), where)


def _place(config: NliSource, language: str, role: Role) -> tuple[str, str]:
    """Name of the configuration and of the split."""
    name = choose_configuration(config.path, (language,), "data.nli.path", "data.nli.languages")
    return name, _split(config, role)


def _split(config: NliSource, role: Role) -> str:
    splits: dict[Role, str] = {
        "train": config.train_split,
        "validation": config.validation_split,
        "test": config.test_split,
    }
    return splits[role]


def _size(config: NliSource, role: Role) -> int | None:
    return config.train_size if role == "train" else config.evaluation_size


def _columns(config: NliSource, have: tuple[str, ...] | list[str], where: str) -> tuple[str, ...]:
    """Columns of premise, hypothesis and label; `InputError` for the first that is missing."""
    fields = ("premise_column", "hypothesis_column", "label_column")
    need = {f"data.nli.{field}": str(getattr(config, field)) for field in fields}
    require_columns(have, need, where)
    return tuple(need.values())


def _example(index: int, row: tuple[Any, ...], where: str) -> NliExample | None:
    premise, hypothesis, label = row
    if label is None or label == UNLABELLED:
        return None
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(LABELS):
        raise InputError(
            f"data.nli.label_column: row {index} of {where} has the label {label!r}; allowed: 0 "
            "(entailment), 1 (neutral), 2 (contradiction), -1 (no label, dropped)"
        )
    if not (isinstance(premise, str) and isinstance(hypothesis, str)):
        raise InputError(
            f"data.nli.premise_column: row {index} of {where} has a premise or hypothesis that is "
            "no text"
        )
    return NliExample(str(index), premise, hypothesis, label)


def _embedded_nli(
    config: NliSource, language: str, role: Role, seed: int, *, check: bool = False
) -> tuple[NliExample, ...]:
    from .embedded import nli_examples

    size, split = _size(config, role) or EMBEDDED_NLI_SIZES[role], _split(config, role)
    if check:
        size = _least_size(f"nli/{split}", size)
    try:
        return nli_examples(language, split, size=size, seed=seed)
    except InputError as error:
        raise InputError(f"data.nli: {error}") from None


def _embedded_pairs(
    config: DataConfig, language: str, split: str, size: int, field: str, *, check: bool = False
) -> tuple[ParallelPair, ...]:
    from .embedded import LANGUAGES, parallel_pairs

    if config.nli.source != LANGUAGES[0]:
        raise InputError(
            f"{field}.path: 'embedded' has pairs with {LANGUAGES[0]!r} alone, not with the source "
            f"language {config.nli.source!r}"
        )
    if check:
        size = _least_size(f"parallel/{split}", size)
    try:
        return parallel_pairs(language, split, size=size, seed=config.seed)
    except InputError as error:
        raise InputError(f"{field}: {error}") from None


def _least_size(side: str, size: int) -> int:
    """The smallest size that the embedded corpus accepts or refuses as it does `size`."""
    from .embedded.splits import LIMITS

    return 1 if size <= LIMITS.get(side, 0) else size
