"""Tokenised data sets in the content-keyed cache: NLI examples and parallel pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .aligned_words import SideWords, both_sides, sentence_groups, word_groups
from .cache import content_key, open_or_build
from .examples import NliExample, ParallelPair, WordAlignment
from .ragged import (
    AnyArray,
    IntArray,
    RaggedArray,
    open_array,
    open_ragged,
    write_flat,
    write_ragged,
)
from .tokenizer import Encoded, TextTokenizer

FORMAT = 1
"""Part of every key: a change of what a table's files hold is a new number."""
CHUNK = 8192
"""Texts tokenised at a time; bounds the memory that their pieces and offsets take."""
WORD_FIELDS = 6
"""Numbers of one aligned word in a row of `ParallelTable.words`."""


@dataclass(frozen=True, slots=True)
class NliTable:
    """N tokenised NLI examples; arrays are memory-mapped and read-only."""

    ids: RaggedArray
    """Pieces of the rendered prompt, the end-of-sequence piece last."""
    labels: AnyArray
    """(N,) int64 labels."""
    example_ids: AnyArray
    """(N,) text; the same id is the same content in every language."""

    @property
    def lengths(self) -> IntArray:
        """(N,) pieces of each example."""
        return self.ids.lengths

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class ParallelTable:
    """N tokenised sentence pairs with aligned words; arrays are memory-mapped and read-only."""

    source_ids: RaggedArray
    """Pieces of the source sentences, the end-of-sequence piece last."""
    target_ids: RaggedArray
    """Pieces of the target sentences."""
    words: RaggedArray
    """A row holds 6 numbers for each aligned word: source begin and end, target begin and end
    (half-open piece spans), source group, target group. Pairs without words have empty rows."""
    source_groups: AnyArray
    """(N,) int64, equal for equal source sentences (case folded, white space normalised)."""
    target_groups: AnyArray
    """(N,) int64, the same for target sentences."""
    languages: AnyArray
    """(N,) int64 index into `language_names`."""
    language_names: tuple[str, ...]
    """Target languages, sorted."""

    @property
    def lengths(self) -> IntArray:
        """(N,) pieces of the longer side."""
        return np.maximum(self.source_ids.lengths, self.target_ids.lengths)

    def __len__(self) -> int:
        return len(self.source_ids)


def build_nli_table(
    examples: Sequence[NliExample],
    tokenizer: TextTokenizer,
    prompt: Callable[[str, str], str],
    max_length: int,
    cache_root: Path,
) -> NliTable:
    """Tokenise NLI examples once, or open the table that has the same content.

    Args:
        examples: of one language and split.
        tokenizer: the model's.
        prompt: renders (premise, hypothesis) into the model's input.
        max_length: most pieces of an input, the end-of-sequence piece counted.
        cache_root: folder of all caches.

    Raises:
        InputError: the cache's folder cannot be used.
    """
    texts = [prompt(example.premise, example.hypothesis) for example in examples]
    labels = np.array([example.label for example in examples], dtype=np.int64)
    names = [example.example_id for example in examples]
    key = content_key(
        "nli", FORMAT, tokenizer.fingerprint, max_length, _joined(texts), _joined(names),
        labels.tobytes(),
    )  # fmt: skip

    def build(folder: Path) -> None:
        ids = [row.ids for chunk in _encoded(texts, tokenizer, max_length) for row in chunk]
        write_ragged(folder, "ids", ids)
        np.save(folder / "labels.npy", labels)
        np.save(folder / "example_ids.npy", np.array(names, dtype=np.str_))

    folder = open_or_build(cache_root, key, build)
    return NliTable(
        ids=open_ragged(folder, "ids"),
        labels=open_array(folder, "labels"),
        example_ids=open_array(folder, "example_ids"),
    )


def build_parallel_table(
    pairs: Sequence[ParallelPair],
    alignments: Sequence[tuple[WordAlignment, ...]],
    tokenizer: TextTokenizer,
    max_length: int,
    cache_root: Path,
) -> ParallelTable:
    """Tokenise sentence pairs and their aligned words once, or open the equal table.

    A word of which one side has no piece span (`spans`) is left out. Pairs without words stay:
    they serve the sentence level.

    Args:
        pairs: of one or more target languages.
        alignments: the aligned words of each pair, as characters of its two sentences.
        tokenizer: the model's.
        max_length: most pieces of a sentence, the end-of-sequence piece counted.
        cache_root: folder of all caches.

    Raises:
        InputError: the cache's folder cannot be used, or there is not one alignment a pair.
    """
    if len(alignments) != len(pairs):
        raise InputError(f"alignments: {len(alignments)} for {len(pairs)} pairs; needs one a pair")
    names = tuple(sorted({pair.language for pair in pairs}))
    number = {name: index for index, name in enumerate(names)}
    languages = np.array([number[pair.language] for pair in pairs], dtype=np.int64)
    sources, targets = [pair.source for pair in pairs], [pair.target for pair in pairs]
    source_words, target_words = both_sides(alignments)
    counts = source_words.counts
    key = content_key(
        "parallel", FORMAT, tokenizer.fingerprint, max_length, _joined(sources),
        _joined(targets), _joined(names), languages.tobytes(), counts.tobytes(),
        source_words.spans.tobytes(), target_words.spans.tobytes(),
    )  # fmt: skip

    def build(folder: Path) -> None:
        shared = (tokenizer, max_length)
        qualifiers = [pair.language for pair in pairs]
        source = _write_side(folder, "source", sources, [""] * len(pairs), source_words, *shared)
        target = _write_side(folder, "target", targets, qualifiers, target_words, *shared)
        kept = (source[:, 0] >= 0) & (target[:, 0] >= 0)
        rows = np.column_stack([source[:, :2], target[:, :2], source[:, 2], target[:, 2]])
        kept_counts = np.bincount(source_words.rows[kept], minlength=len(pairs))
        write_flat(folder, "words", rows[kept].ravel(), kept_counts * WORD_FIELDS)
        np.save(folder / "languages.npy", languages)

    folder = open_or_build(cache_root, key, build)
    return ParallelTable(
        source_ids=open_ragged(folder, "source_ids"),
        target_ids=open_ragged(folder, "target_ids"),
        words=open_ragged(folder, "words"),
        source_groups=open_array(folder, "source_groups"),
        target_groups=open_array(folder, "target_groups"),
        languages=open_array(folder, "languages"),
        language_names=names,
    )


def _write_side(
    folder: Path,
    side: str,
    texts: list[str],
    qualifiers: list[str],
    words: SideWords,
    tokenizer: TextTokenizer,
    max_length: int,
) -> IntArray:
    """Write one side's ids and groups; returns (N, 3) piece begin, end and group of its words."""
    ids: list[list[int]] = []
    spans = [np.zeros((0, 2), dtype=np.int64)]
    for chunk in _encoded(texts, tokenizer, max_length):
        spans.append(words.of_texts(len(ids), len(ids) + len(chunk)).pieces(chunk))
        ids += [text.ids for text in chunk]
    write_ragged(folder, f"{side}_ids", ids)
    np.save(folder / f"{side}_groups.npy", sentence_groups(texts))
    return np.column_stack([np.concatenate(spans), word_groups(words, texts, qualifiers)])


def _encoded(
    texts: list[str], tokenizer: TextTokenizer, max_length: int
) -> Iterator[list[Encoded]]:
    for begin in range(0, len(texts), CHUNK):
        yield tokenizer.encode(texts[begin : begin + CHUNK], max_length)


def _joined(texts: Sequence[str]) -> str:
    return json.dumps(list(texts))
