"""The embedded corpus: no shortcut to the label, disjoint splits, aligned spans, fixed text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mlctl_ray.data.embedded import LANGUAGES, lexicon, nli_examples, parallel_pairs
from mlctl_ray.data.embedded.concepts import (
    CATEGORIES,
    CATEGORY_OF,
    CONCEPTS,
    EXTRAS,
    FILLER,
    GENERIC,
    QUERIED,
    SLOTS,
)
from mlctl_ray.data.embedded.corpus import GRAMMARS
from mlctl_ray.data.embedded.frames import gold_label, nli_frames, parallel_clauses
from mlctl_ray.data.embedded.splits import LIMITS, SHARES, side_of
from mlctl_ray.data.embedded.surface import realise
from mlctl_ray.data.examples import LABELS, NliExample, Span
from mlctl_ray.errors import InputError

TARGETS = LANGUAGES[1:]
TRAIN, TEST = 6000, 6000
CHANCE = 1 / 3


def tokens(language: str, text: str) -> list[str]:
    return re.findall(r"\w" if language == "zh" else r"\w+", text.lower())


def corpora(language: str) -> tuple[tuple[NliExample, ...], tuple[NliExample, ...]]:
    return (
        nli_examples(language, "train", size=TRAIN, seed=0),
        nli_examples(language, "test", size=TEST, seed=0),
    )


def labels(examples: tuple[NliExample, ...]) -> np.ndarray:
    return np.array([example.label for example in examples])


def tree_accuracy(language: str, features: Callable[[str, NliExample], Sequence[float]]) -> float:
    train, test = corpora(language)
    model = DecisionTreeClassifier(max_depth=6, min_samples_leaf=30, random_state=0)
    model.fit([features(language, e) for e in train], labels(train))
    return float(model.score([features(language, e) for e in test], labels(test)))


def length_features(language: str, example: NliExample) -> list[int]:
    sides = (example.premise, example.hypothesis)
    characters, words = [len(s) for s in sides], [len(tokens(language, s)) for s in sides]
    return [*characters, *words, characters[0] - characters[1], words[0] - words[1]]


def overlap_features(language: str, example: NliExample) -> list[float]:
    premise = Counter(tokens(language, example.premise))
    hypothesis = Counter(tokens(language, example.hypothesis))
    shared = premise.keys() & hypothesis.keys()
    return [
        len(shared),
        (premise & hypothesis).total(),
        len(shared) / len(hypothesis),
        len(shared) / len(premise.keys() | hypothesis.keys()),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("side", ["premise", "hypothesis"])
def test_one_sentence_alone_is_at_chance(language: str, side: str) -> None:
    train, test = corpora(language)
    counts = CountVectorizer(analyzer=lambda text: tokens(language, text), binary=True)
    model = LogisticRegression(C=0.1, max_iter=200)
    model.fit(counts.fit_transform([getattr(e, side) for e in train]), labels(train))
    accuracy = model.score(counts.transform([getattr(e, side) for e in test]), labels(test))
    assert abs(accuracy - CHANCE) < 0.03


@pytest.mark.parametrize("language", LANGUAGES)
def test_lengths_are_at_chance(language: str) -> None:
    assert abs(tree_accuracy(language, length_features) - CHANCE) < 0.03


@pytest.mark.parametrize("language", LANGUAGES)
def test_word_overlap_is_at_chance(language: str) -> None:
    assert abs(tree_accuracy(language, overlap_features) - CHANCE) < 0.03


def test_a_shortcut_would_be_seen() -> None:
    """Control: the same classifier finds neutral premises that are one word longer."""

    def longer_if_neutral(language: str, example: NliExample) -> list[int]:
        premise = example.premise + (" too" if example.label == LABELS.index("neutral") else "")
        return length_features(language, replace(example, premise=premise))

    assert tree_accuracy("en", longer_if_neutral) > CHANCE + 0.06


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_frames_tell_the_label(split: str) -> None:
    for frame in nli_frames(split, 3000, 7):
        assert gold_label(frame.premise, frame.hypothesis) == frame.label
        specific = [slot for slot in QUERIED if frame.premise.value(slot) in CATEGORY_OF]
        generic = [slot for slot in QUERIED if frame.premise.value(slot) == GENERIC[slot]]
        assert (len(specific), len(generic)) == (1, 1)
        assert sum(frame.premise.value(role) is not None for role in EXTRAS) <= 2
        named = [s for s in SLOTS if frame.hypothesis.value(s) in CATEGORIES[s]]
        assert len(named) == 1
        shared = {frame.premise.value(s) for s in SLOTS} & {
            frame.hypothesis.value(s) for s in SLOTS
        }
        assert shared <= {None}


@pytest.mark.parametrize("size", [1, 2, 3, 100, 999])
def test_labels_are_balanced(size: int) -> None:
    counts = Counter(e.label for e in nli_examples("en", "train", size=size, seed=3))
    assert max(counts.values()) - min(counts[label] for label in range(len(LABELS))) <= 1


def test_rows_are_the_same_content_in_every_language() -> None:
    english = nli_examples("en", "validation", size=500, seed=2)
    for language in TARGETS:
        rows = nli_examples(language, "validation", size=500, seed=2)
        assert [(r.example_id, r.label) for r in rows] == [(r.example_id, r.label) for r in english]
        assert all(r.premise != e.premise for r, e in zip(rows, english, strict=True))
    pairs = {t: parallel_pairs(t, "train", size=300, seed=2) for t in TARGETS}
    assert len({tuple(p.source for p in rows) for rows in pairs.values()}) == 1


def test_ids_are_unique_and_belong_to_the_content() -> None:
    by_id: dict[str, NliExample] = {}
    for seed in range(3):
        rows = nli_examples("en", "test", size=3000, seed=seed)
        assert len({row.example_id for row in rows}) == len(rows)
        for row in rows:
            assert by_id.setdefault(row.example_id, row) == row
    assert len(by_id) > 3000


def test_a_smaller_size_is_a_prefix() -> None:
    assert (
        nli_examples("de", "train", size=50, seed=1)
        == (nli_examples("de", "train", size=200, seed=1)[:50])
    )
    assert (
        parallel_pairs("de", "train", size=50, seed=1)
        == (parallel_pairs("de", "train", size=200, seed=1)[:50])
    )
    assert nli_examples("de", "train", size=50, seed=1) != (
        nli_examples("de", "train", size=50, seed=2)
    )


def test_no_clause_is_on_two_sides() -> None:
    contents: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        frames = nli_frames(split, 4000, 5)
        clauses = [clause for f in frames for clause in (f.premise, f.hypothesis)]
        contents[f"nli/{split}"] = {clause.content for clause in clauses}
    for split in ("train", "validation"):
        contents[f"parallel/{split}"] = {c.content for c in parallel_clauses(split, 4000, 5)}
    assert contents.keys() == SHARES.keys() == LIMITS.keys()
    assert sum(map(len, contents.values())) == len(set().union(*contents.values()))
    for side, members in contents.items():
        assert {side_of(content) for content in members} == {side}


def test_sides_have_their_shares() -> None:
    counts = Counter(side_of(f"clause {i}") for i in range(20_000))
    assert sum(SHARES.values()) == pytest.approx(1)
    for side, share in SHARES.items():
        assert counts[side] / 20_000 == pytest.approx(share, abs=0.015)


def test_text_does_not_depend_on_the_process() -> None:
    program = (
        "from mlctl_ray.data.embedded import *\n"
        "print(ascii(nli_examples('ru', 'test', size=40, seed=9)))\n"
        "print(ascii(parallel_pairs('zh', 'train', size=40, seed=9)))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000


@pytest.mark.parametrize("language", TARGETS)
def test_alignments_are_the_content_words(language: str) -> None:
    words = lexicon(language)
    for pair in parallel_pairs(language, "train", size=2000, seed=4):
        assert pair.language == language
        assert len(pair.alignments) >= 3
        for alignment in pair.alignments:
            source = cut(pair.source, alignment.source).lower()
            target = cut(pair.target, alignment.target)
            capital = alignment.target.start == 0
            forms = {w[0].upper() + w[1:] if capital else w for w in words[source]}
            assert target in forms
        for spans in ([a.source for a in pair.alignments], [a.target for a in pair.alignments]):
            ordered = sorted(spans, key=lambda span: span.start)
            assert all(a.end <= b.start for a, b in pairwise(ordered))


def cut(text: str, span: Span) -> str:
    return text[span.start : span.end]


@pytest.mark.parametrize("language", TARGETS)
def test_every_content_word_is_aligned(language: str) -> None:
    """What stays when the aligned words are cut out is the same few function words."""
    content = {w.lower() for forms in lexicon(language).values() for w in forms}
    for pair in parallel_pairs(language, "train", size=500, seed=4):
        rest = pair.target
        for alignment in sorted(pair.alignments, key=lambda a: -a.target.start):
            rest = rest[: alignment.target.start] + " " + rest[alignment.target.end :]
        assert not content & {word.lower() for word in re.findall(r"\w+", rest)}


@pytest.mark.parametrize("language", TARGETS)
@pytest.mark.parametrize("seed", [0, 1])
def test_parallel_text_covers_the_nli_words(language: str, seed: int) -> None:
    pairs = parallel_pairs(language, "train", size=2000, seed=seed)
    seen = {word for pair in pairs for word in tokens(language, pair.target)}
    aligned = {cut(p.target, a.target).lower() for p in pairs for a in p.alignments}
    english = {word for pair in pairs for word in tokens("en", pair.source)}
    for row in nli_examples(language, "test", size=6000, seed=seed):
        assert seen.issuperset(tokens(language, row.premise) + tokens(language, row.hypothesis))
    for row in nli_examples("en", "test", size=6000, seed=seed):
        assert english.issuperset(tokens("en", row.premise) + tokens("en", row.hypothesis))
    assert aligned == {w.lower() for forms in lexicon(language).values() for w in forms}


@pytest.mark.parametrize("language", TARGETS)
def test_no_content_word_is_an_english_word(language: str) -> None:
    words = {w.casefold() for forms in lexicon(language).values() for w in forms}
    assert not words & {concept.casefold() for concept in CONCEPTS}
    english = {w for e in nli_examples("en", "train", size=2000, seed=0) for w in e.premise.split()}
    assert not words & {w.strip(".").casefold() for w in english}


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_are_complete_and_one_word_for_each_concept(language: str) -> None:
    phrases = GRAMMARS[language].phrases
    assert phrases.keys() == set(CONCEPTS)
    assert len({p.word.lower() for p in phrases.values()}) == len(CONCEPTS)
    assert 100 <= len(CONCEPTS) <= 200
    pattern = r"[\u4e00-\u9fff]{2,3}" if language == "zh" else r"\w+"
    for phrase in phrases.values():
        assert re.fullmatch(pattern, phrase.word)
        assert phrase.text == phrase.text.strip()
        assert not re.search(r"[\[\]{}]", phrase.text)
    if language == "ru":
        assert all(re.fullmatch("[а-яё ]+", phrase.text) for phrase in phrases.values())


@pytest.mark.parametrize("language", TARGETS)
def test_lexicon_covers_the_concepts(language: str) -> None:
    words = lexicon(language)
    assert words.keys() == set(CONCEPTS)
    assert all(key == key.lower() and forms for key, forms in words.items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_orthography(language: str) -> None:
    nouns = {
        p.word
        for concept, p in GRAMMARS[language].phrases.items()
        if language == "de" and p.word[0].isupper()
    }
    for row in nli_examples(language, "validation", size=1000, seed=0):
        for text in (row.premise, row.hypothesis):
            assert text[-1] == ("。" if language == "zh" else ".")
            assert "  " not in text
            assert (" " in text) == (language != "zh")
            assert language == "zh" or text[0].isupper()
            later = [word for word in text[:-1].split()[1:] if word[0].isupper()]
            assert set(later) <= nouns


def test_chinese_categories_share_no_character_with_what_premises_say() -> None:
    phrases = GRAMMARS["zh"].phrases
    asked = {c for slot in SLOTS for name in CATEGORIES[slot] for c in phrases[name].word}
    asked |= set(phrases[FILLER].word)
    told = {c for name in (*CATEGORY_OF, *GENERIC.values()) for c in phrases[name].word}
    assert not asked & told


def test_german_verb_is_second_and_turkish_verb_last() -> None:
    for clause in parallel_clauses("train", 300, 0):
        german = realise(GRAMMARS["de"], clause)
        first = "time" if clause.time else "agent"
        second = GRAMMARS["de"].phrases[str(clause.value(first))].text
        assert german.heads["verb"].start == len(second) + 1
        turkish = realise(GRAMMARS["tr"], clause)
        assert turkish.heads["verb"].end == len(turkish.text) - 1


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("language: 'xx'", lambda: nli_examples("xx", "train", size=3, seed=0)),
        ("split: 'dev'", lambda: nli_examples("en", "dev", size=3, seed=0)),
        ("size: 0", lambda: nli_examples("en", "test", size=0, seed=0)),
        ("size: 6001", lambda: nli_examples("en", "test", size=6_001, seed=0)),
        ("language: 'en'", lambda: parallel_pairs("en", "train", size=3, seed=0)),
        ("split: 'test'", lambda: parallel_pairs("de", "test", size=3, seed=0)),
        ("size: 40001", lambda: parallel_pairs("de", "train", size=40_001, seed=0)),
        ("language: 'en'", lambda: lexicon("en")),
    ],
)
def test_wrong_input_is_one_clear_line(field: str, call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=re.escape(field)) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_side_holds_its_limit() -> None:
    """The smallest NLI side can be drawn whole: distinct, balanced and still without repetition."""
    size = LIMITS["nli/validation"]
    rows = nli_examples("en", "validation", size=size, seed=0)
    assert len({(row.premise, row.hypothesis) for row in rows}) == size
    assert set(Counter(row.label for row in rows).values()) == {size // len(LABELS)}


SNAPSHOT = {
    "en": [
        ("The lawyer hides things in a pantry for nephews.", "The lawyer hides items in a home."),
        ("The farmer counts gloves in a region.", "The farmer counts items in a vehicle."),
        (
            "The sailor chooses pears in a region with butterflies for kings.",
            "The sailor chooses weapons.",
        ),
    ],
    "de": [
        (
            "Die Anwältin versteckt in einer Kammer für Neffen Objekte.",
            "Die Anwältin versteckt in der Wohnung Dinge.",
        ),
        ("Der Bauer zählt in einer Gegend Handschuhe.", "Der Bauer zählt im Gefährt Dinge."),
        (
            "Der Matrose wählt in einer Gegend mit Faltern für Könige Birnen.",
            "Der Matrose wählt Waffen.",
        ),
    ],
    "es": [
        (
            "La abogada esconde objetos en una despensa para sobrinos.",
            "La abogada esconde cosas en la casa.",
        ),
        ("El campesino cuenta guantes en un paraje.", "El campesino cuenta cosas en el vehículo."),
        (
            "El marinero elige peras en un paraje con mariposas para reyes.",
            "El marinero elige armas.",
        ),
    ],
    "ru": [
        ("Адвокат прячет в кладовой предметы для племянников.", "Адвокат прячет в доме вещи."),
        ("Крестьянин считает в местности перчатки.", "Крестьянин считает в транспорте вещи."),
        ("Моряк выбирает в местности груши с бабочками для королей.", "Моряк выбирает оружие."),
    ],
    "tr": [
        ("Avukat kilerde yeğenler için eşya saklıyor.", "Avukat evde nesne saklıyor."),
        ("Çiftçi yörede eldiven sayıyor.", "Çiftçi araçta nesne sayıyor."),
        ("Denizci yörede kelebek sürüsüyle krallar için armut seçiyor.", "Denizci silah seçiyor."),
    ],
    "zh": [
        ("律师在库房为侄子隐藏东西。", "律师在住宅隐藏货品。"),
        ("农民在某处清点手套。", "农民在载具清点货品。"),
        ("水手在某处跟蝴蝶一起为国王挑选梨子。", "水手挑选武器。"),
    ],
}
IDS = ["0eb144e8d11c575d", "a81b3dd554f78ff7", "e7a1c06292fbbabb"]
SNAPSHOT_LABELS = ["entailment", "neutral", "contradiction"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_frozen(language: str) -> None:
    rows = nli_examples(language, "train", size=3, seed=0)
    assert [(row.premise, row.hypothesis) for row in rows] == SNAPSHOT[language]
    assert [row.example_id for row in rows] == IDS
    assert [LABELS[row.label] for row in rows] == SNAPSHOT_LABELS
