"""NLI examples, parallel pairs and lexicon of the embedded corpus, made on demand."""

from __future__ import annotations

from mlctl_ray.data.embedded import (
    grammar_de,
    grammar_en,
    grammar_es,
    grammar_ru,
    grammar_tr,
    grammar_zh,
)
from mlctl_ray.data.embedded.concepts import CONCEPTS, ROLES
from mlctl_ray.data.embedded.frames import Clause, nli_frames, parallel_clauses
from mlctl_ray.data.embedded.splits import LIMITS
from mlctl_ray.data.embedded.surface import Grammar, realise
from mlctl_ray.data.examples import NliExample, ParallelPair, WordAlignment
from mlctl_ray.errors import InputError

GRAMMARS: dict[str, Grammar] = {
    "en": grammar_en.GRAMMAR,
    "de": grammar_de.GRAMMAR,
    "es": grammar_es.GRAMMAR,
    "ru": grammar_ru.GRAMMAR,
    "tr": grammar_tr.GRAMMAR,
    "zh": grammar_zh.GRAMMAR,
}

LANGUAGES: tuple[str, ...] = tuple(GRAMMARS)
"""Languages of the corpus, the source language first."""

SOURCE = LANGUAGES[0]


def nli_examples(language: str, split: str, *, size: int, seed: int) -> tuple[NliExample, ...]:
    """`size` NLI examples of the split ("train", "validation" or "test").

    Row i has the same content, label and id in every language, and every three rows hold each label
    once. A smaller size is a prefix of a larger one.

    Raises:
        InputError: unknown language or split, or a size below 1 or above what the split holds.
    """
    grammar = GRAMMARS[_known("language", language, LANGUAGES)]
    _check_size("nli", split, size)
    return tuple(
        NliExample(
            example_id=frame.example_id,
            premise=realise(grammar, frame.premise).text,
            hypothesis=realise(grammar, frame.hypothesis).text,
            label=frame.label,
        )
        for frame in nli_frames(split, size, seed)
    )


def parallel_pairs(language: str, split: str, *, size: int, seed: int) -> tuple[ParallelPair, ...]:
    """`size` English sentences of the split ("train" or "validation") with their translations.

    Every content word is aligned, in the order of the roles (time, agent, verb, object, place,
    companion, beneficiary). Row i is the same English sentence for every language; none is a
    sentence of the NLI data. A smaller size is a prefix of a larger one.

    Raises:
        InputError: unknown target language or split, or a size below 1 or above what exists.
    """
    grammar = GRAMMARS[_known("language", language, LANGUAGES[1:])]
    _check_size("parallel", split, size)
    return tuple(_pair(language, grammar, clause) for clause in parallel_clauses(split, size, seed))


def lexicon(language: str) -> dict[str, tuple[str, ...]]:
    """English content word (lower case) -> its forms in the language, as its sentences spell them.

    Raises:
        InputError: unknown target language.
    """
    grammar = GRAMMARS[_known("language", language, LANGUAGES[1:])]
    source = GRAMMARS[SOURCE]
    return {
        source.phrases[concept].word.lower(): (grammar.phrases[concept].word,)
        for concept in CONCEPTS
    }


def _pair(language: str, grammar: Grammar, clause: Clause) -> ParallelPair:
    source, target = realise(GRAMMARS[SOURCE], clause), realise(grammar, clause)
    alignments = tuple(
        WordAlignment(source.heads[role], target.heads[role])
        for role in ROLES
        if role in source.heads
    )
    return ParallelPair(source.text, target.text, language, alignments)


def _known(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InputError(f"{field}: {value!r} is not in the embedded corpus; use {_list(allowed)}")
    return value


def _check_size(kind: str, split: str, size: int) -> None:
    splits = tuple(side.partition("/")[2] for side in LIMITS if side.startswith(f"{kind}/"))
    _known("split", split, splits)
    limit = LIMITS[f"{kind}/{split}"]
    if not 1 <= size <= limit:
        raise InputError(f"size: {size} is not between 1 and {limit} ({kind} {split})")


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(values)
