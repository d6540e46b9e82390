"""From a clause to a sentence: phrases in the order of a language, with the span of each head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlctl_ray.data.embedded.frames import Clause
from mlctl_ray.data.examples import Span


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase; ``text[head.start:head.end]`` is its content word, the rest function words."""

    text: str
    head: Span

    @property
    def word(self) -> str:
        """The content word as the sentence spells it."""
        return self.text[self.head.start : self.head.end]


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language: a phrase for each concept, the order of the roles, spacing and final mark.

    `order_with_time`, if not empty, is the order of a clause that tells a time.
    """

    phrases: Mapping[str, Phrase]
    order: tuple[str, ...]
    order_with_time: tuple[str, ...] = ()
    space: str = " "
    final: str = "."


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text and, for each role that the clause fills, the span of its content word."""

    text: str
    heads: Mapping[str, Span]


def phrase(markup: str) -> Phrase:
    """A phrase from text with its content word in brackets, such as ``in a [kitchen]``."""
    before, _, rest = markup.partition("[")
    word, _, after = rest.partition("]")
    return Phrase(before + word + after, Span(len(before), len(before) + len(word)))


def phrases(pattern: str, words: Mapping[str, str]) -> dict[str, Phrase]:
    """Concept -> phrase, for words that all stand in one pattern, such as ``with [{}]``."""
    return {concept: phrase(pattern.format(word)) for concept, word in words.items()}


def marked(markups: Mapping[str, str]) -> dict[str, Phrase]:
    """Concept -> phrase, where every phrase has its own function words."""
    return {concept: phrase(markup) for concept, markup in markups.items()}


def _order(grammar: Grammar, clause: Clause) -> tuple[str, ...]:
    return (clause.time and grammar.order_with_time) or grammar.order


def realise(grammar: Grammar, clause: Clause) -> Sentence:
    """The clause as a sentence: first letter capital, final mark, no span touching that mark."""
    parts: list[str] = []
    heads: dict[str, Span] = {}
    position = 0
    for role in _order(grammar, clause):
        concept = clause.value(role)
        if concept is None:
            continue
        part = grammar.phrases[concept]
        heads[role] = Span(position + part.head.start, position + part.head.end)
        parts.append(part.text)
        position += len(part.text) + len(grammar.space)
    text = grammar.space.join(parts)
    return Sentence(text[0].upper() + text[1:] + grammar.final, heads)
