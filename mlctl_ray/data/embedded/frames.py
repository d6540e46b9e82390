"""Clauses and NLI frames: what a sentence says before any language says it.

Every premise has an object and a place, one of them a specific concept and the other generic, and
up to two of a time, a companion and a beneficiary, so that its length tells nothing. A hypothesis has the premise's agent and verb and
names a category of object or place. It is entailed if the premise's concept is in that category,
contradicted if it is in another (SNLI: both tell of one event), and neutral if the premise leaves
that slot generic. The hypothesis is drawn first, then the label, then the premise, so neither
sentence alone tells the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations
from random import Random
from typing import TypeVar

from mlctl_ray.data.embedded.concepts import (
    AGENTS,
    CATEGORIES,
    CATEGORY_OF,
    EXTRAS,
    FILLER,
    GENERIC,
    MEMBERS,
    QUERIED,
    SLOTS,
    TIMES,
    VERBS,
)
from mlctl_ray.data.embedded.splits import digest, side_of
from mlctl_ray.data.examples import LABELS

_T = TypeVar("_T")

ENTAILMENT, NEUTRAL, CONTRADICTION = range(len(LABELS))


@dataclass(frozen=True, slots=True)
class Clause:
    """Concepts of a sentence by role; None for a slot that is not said."""

    agent: str
    verb: str
    time: str | None
    object: str
    place: str | None = None
    companion: str | None = None
    beneficiary: str | None = None

    def value(self, role: str) -> str | None:
        """The concept in a role."""
        concept: str | None = getattr(self, role)
        return concept

    @property
    def content(self) -> str:
        """The clause as a string, one for each clause."""
        parts = (self.time, self.object, self.place, self.companion, self.beneficiary)
        return "|".join((self.agent, self.verb, *(concept or "" for concept in parts)))


@dataclass(frozen=True, slots=True)
class NliFrame:
    """A premise, a hypothesis on one slot of it, and the label."""

    premise: Clause
    hypothesis: Clause
    label: int

    @property
    def example_id(self) -> str:
        """Hash of the content: the same in every language and for every seed."""
        return digest(f"{self.premise.content}>{self.hypothesis.content}", 8).hex()


def gold_label(premise: Clause, hypothesis: Clause) -> int:
    """The label by definition, from the concepts alone."""
    for slot in QUERIED:
        category, concept = hypothesis.value(slot), premise.value(slot)
        if category in CATEGORIES[slot]:
            if concept == GENERIC[slot]:
                return NEUTRAL
            return ENTAILMENT if CATEGORY_OF[str(concept)] == category else CONTRADICTION
    raise ValueError(f"hypothesis names no category: {hypothesis.content}")


@lru_cache(maxsize=4)
def nli_frames(split: str, size: int, seed: int) -> tuple[NliFrame, ...]:
    """`size` distinct frames of the split; a smaller size is a prefix of a larger one.

    Every three rows hold each label once, in random order.
    """
    side = f"nli/{split}"
    rng = _rng(side, seed)
    seen: set[str] = set()
    frames: list[NliFrame] = []
    labels: tuple[int, ...] = ()
    for row in range(size):
        if row % len(LABELS) == 0:
            labels = _pick(rng, _LABEL_ORDERS)
        frame = _draw_frame(rng, side, labels[row % len(LABELS)])
        while frame.example_id in seen:
            frame = _draw_frame(rng, side, frame.label)
        seen.add(frame.example_id)
        frames.append(frame)
    return tuple(frames)


@lru_cache(maxsize=4)
def parallel_clauses(split: str, size: int, seed: int) -> tuple[Clause, ...]:
    """`size` distinct clauses of the split: full like premises, or short, with categories."""
    side = f"parallel/{split}"
    rng = _rng(side, seed)
    clauses: dict[str, Clause] = {}
    while len(clauses) < size:
        clause = _full_clause(rng) if rng.random() < _FULL_SHARE else _short_clause(rng)
        if side_of(clause.content) == side:
            clauses.setdefault(clause.content, clause)
    return tuple(clauses.values())


_LABEL_ORDERS = tuple(permutations(range(len(LABELS))))
_SLOT_PAIRS = tuple(combinations(SLOTS, 2))
_EXTRA_SETS = tuple(said for count in range(3) for said in combinations(EXTRAS, count))
_FULL_SHARE = 0.5


def _rng(side: str, seed: int) -> Random:
    return Random(int.from_bytes(digest(f"{side}#{seed}", 8), "big"))


def _pick(rng: Random, options: tuple[_T, ...]) -> _T:
    # random() is the only draw whose sequence Python promises to keep between versions.
    return options[int(rng.random() * len(options))]


def _member(rng: Random, slot: str) -> str:
    return _pick(rng, MEMBERS[slot][_pick(rng, CATEGORIES[slot])])


def _draw_frame(rng: Random, side: str, label: int) -> NliFrame:
    slot = _pick(rng, QUERIED)
    category = _pick(rng, CATEGORIES[slot])
    # Slot and category are not drawn again when a clause falls on another side: every side keeps
    # them uniform, and with them the independence of each sentence from the label.
    hypothesis = _hypothesis(rng, slot, category)
    while side_of(hypothesis.content) != side:
        hypothesis = _hypothesis(rng, slot, category)
    premise = _premise(rng, hypothesis, slot, category, label)
    while side_of(premise.content) != side:
        premise = _premise(rng, hypothesis, slot, category, label)
    return NliFrame(premise, hypothesis, label)


def _hypothesis(rng: Random, slot: str, category: str) -> Clause:
    fillers = {"object": FILLER} | {slot: category}
    return Clause(_pick(rng, AGENTS), _pick(rng, VERBS), None, **fillers)


def _premise(rng: Random, hypothesis: Clause, slot: str, category: str, label: int) -> Clause:
    concepts = {queried: GENERIC[queried] for queried in QUERIED}
    if label == NEUTRAL:
        other = QUERIED[1 - QUERIED.index(slot)]
        concepts[other] = _member(rng, other)
    else:
        concepts[slot] = _queried_concept(rng, slot, category, label)
    return _with_extras(rng, hypothesis.agent, hypothesis.verb, concepts)


def _with_extras(rng: Random, agent: str, verb: str, concepts: dict[str, str]) -> Clause:
    said = _pick(rng, _EXTRA_SETS)
    time = _pick(rng, TIMES) if "time" in said else None
    others = {role: _member(rng, role) for role in said if role != "time"}
    return Clause(agent, verb, time, **concepts, **others)


def _queried_concept(rng: Random, slot: str, category: str, label: int) -> str:
    if label == CONTRADICTION:
        category = _pick(rng, tuple(other for other in CATEGORIES[slot] if other != category))
    return _pick(rng, MEMBERS[slot][category])


def _full_clause(rng: Random) -> Clause:
    concepts = {
        slot: _member(rng, slot) if rng.random() < 2 / 3 else GENERIC[slot] for slot in QUERIED
    }
    return _with_extras(rng, _pick(rng, AGENTS), _pick(rng, VERBS), concepts)


def _short_clause(rng: Random) -> Clause:
    said = (_pick(rng, SLOTS),) if rng.random() < 0.5 else _pick(rng, _SLOT_PAIRS)
    concepts = {"object": FILLER} | {
        slot: _pick(rng, (_member(rng, slot), _pick(rng, CATEGORIES[slot]), GENERIC[slot]))
        for slot in said
    }
    time = _pick(rng, TIMES) if rng.random() < 0.5 else None
    return Clause(_pick(rng, AGENTS), _pick(rng, VERBS), time, **concepts)
