from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlctl_ray.config.data import DataConfig, NliSource, ParallelSource
from mlctl_ray.data.code_switch import code_switch
from mlctl_ray.data.examples import Span
from mlctl_ray.data.lexicon import Lexicon, load_lexicon, missing_lexicons
from mlctl_ray.data.segmentation import entries_of, find_words, fold
from mlctl_ray.data.words import align_words
from mlctl_ray.errors import InputError

NOTHING = entries_of(())
GERMAN = Lexicon("de", {"dog": ("hund",), "cat": ("katze", "kater"), "house": ("haus",)})
CHINESE = Lexicon(
    "zh",
    {
        "student": ("学生",),
        "university": ("大学",),
        "undergraduate": ("大学生",),
        "dog": ("狗",),
        "new york": ("纽约",),
    },
)


def forms(text: str, *entries: str) -> list[str]:
    return [word.form for word in find_words(text, entries_of(frozenset(entries)))]


def aligned(source: str, target: str, lexicon: Lexicon) -> list[tuple[str, str]]:
    return [
        (source[a.source.start : a.source.end], target[a.target.start : a.target.end])
        for a in align_words(source, target, lexicon)
    ]


def test_words_are_runs_of_letters_marks_and_inner_apostrophes() -> None:
    assert forms("Don't stop, O’Neil's e-mail 'n 2nd 42!") == [
        "don't", "stop", "o’neil's", "e", "mail", "n", "nd",
    ]  # fmt: skip
    assert forms("नमस्ते दुनिया।") == ["नमस्ते", "दुनिया"]
    assert forms("Ku\u0308che KÜCHE Straße") == ["küche", "küche", "strasse"]


def test_spans_point_at_the_words_as_written() -> None:
    text = "  The DOG's Küche"
    spans = [text[w.span.start : w.span.end] for w in find_words(text, NOTHING)]
    assert spans == ["The", "DOG's", "Küche"]


def test_scripts_without_boundaries_give_longest_entries_left_to_right() -> None:
    assert forms("大学生在大学。", "大学", "学生", "大学生") == ["大学生", "大学"]
    assert forms("他是大学的学生", "大学", "学生", "大学生") == ["大学", "学生"]
    assert forms("สุนัขกินแมว", "สุนัข", "แมว") == ["สุนัข", "แมว"]
    assert forms("法官Tom说hello", "法官", "说") == ["法官", "tom", "说", "hello"]
    assert forms("大学生") == []


def test_a_match_never_parts_a_letter_from_its_marks() -> None:
    assert forms("กินข้าว", "กน", "ก") == []
    assert forms("ไม้", "ไม") == []
    assert forms("ไม้", "ไม้") == ["ไม้"]


def test_phrases_match_across_white_space_alone() -> None:
    entries = ("new york", "new york city", "york")
    assert forms("In New  York City, new-york; new", *entries) == [
        "in", "new york city", "new", "york", "new",
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("aB é́'’-. 大学生กม้ัß1\u200d\u0308"), max_size=20))
def test_words_are_ordered_disjoint_and_folded(text: str) -> None:
    words = find_words(text, entries_of(frozenset({"大学", "学生", "ก", "ม้", "a b", "ab"})))
    end = 0
    for word in words:
        assert end <= word.span.start < word.span.end <= len(text)
        assert word.form == fold(text[word.span.start : word.span.end])
        end = word.span.end


def test_alignment_needs_one_source_word_and_one_translation() -> None:
    assert aligned("The dog sees a cat.", "Der Hund sieht eine Katze.", GERMAN) == [
        ("dog", "Hund"),
        ("cat", "Katze"),
    ]
    assert aligned("Dog eats dog.", "Hund frisst.", GERMAN) == []
    assert aligned("A dog.", "Hund und Hund.", GERMAN) == []
    assert aligned("A cat.", "Katze und Kater.", GERMAN) == []
    # Whole words, where the published code matched substrings.
    assert aligned("A dogma.", "Ein Hund.", GERMAN) == []
    assert aligned("A dog.", "Ein Hundehaus.", GERMAN) == []


def test_a_target_word_is_aligned_once_and_function_words_never() -> None:
    lexicon = Lexicon("de", {"big": ("gross",), "tall": ("gross",), "the": ("der",)})
    assert aligned("the big tall", "der Groß", lexicon) == [("big", "Groß")]


def test_alignment_in_a_script_without_boundaries() -> None:
    source, target = "The undergraduate left the university with a dog.", "大学生带着狗离开大学。"
    assert aligned(source, target, CHINESE) == [
        ("undergraduate", "大学生"),
        ("university", "大学"),
        ("dog", "狗"),
    ]
    assert aligned("A student in New York.", "大学生在纽约。", CHINESE) == [("New York", "纽约")]


def test_code_switching_keeps_case_punctuation_and_spacing() -> None:
    rng = np.random.default_rng(0)
    assert code_switch("Dog,  my house!", [GERMAN], 1.0, rng) == "Hund,  my haus!"
    assert code_switch("My dog(s).", [CHINESE], 1.0, rng) == "My 狗(s)."
    assert code_switch("In New York.", [CHINESE], 1.0, rng) == "In 纽约."


def test_code_switching_is_a_function_of_the_generator() -> None:
    text = "The dog and the cat sleep in the house. " * 5
    results = [
        code_switch(text, [GERMAN, CHINESE], 0.5, np.random.default_rng(s)) for s in (1, 1, 2)
    ]
    assert results[0] == results[1] != results[2]
    rng = np.random.default_rng(3)
    state = rng.bit_generator.state
    assert code_switch(text, [GERMAN], 0.0, rng) == text
    assert code_switch(text, [], 1.0, rng) == text
    assert rng.bit_generator.state == state


def test_code_switching_draws_rate_language_and_translation_uniformly() -> None:
    lexicons = [GERMAN, Lexicon("es", {"cat": ("gata",), "dog": ("perro",)})]
    words = code_switch("cat " * 6000, lexicons, 0.4, np.random.default_rng(5)).split()
    counts = {word: words.count(word) for word in ("cat", "gata", "katze", "kater")}
    expected = {"cat": 3600, "gata": 1200, "katze": 600, "kater": 600}
    for word, count in expected.items():  # five standard deviations
        assert abs(counts[word] - count) < 5 * (6000 * (count / 6000) * (1 - count / 6000)) ** 0.5
    assert sum(counts.values()) == 6000
    only_german = code_switch("house " * 50, lexicons, 1.0, np.random.default_rng(5))
    assert only_german == "haus " * 50


def test_lexicons_travel_between_processes() -> None:
    copy = pickle.loads(pickle.dumps(CHINESE))
    assert copy == CHINESE
    assert find_words("大学生", copy.target_entries)[0].span == Span(0, 3)


def config(folder: Path | str | None, targets: tuple[str, ...] = ("de", "sw")) -> DataConfig:
    return DataConfig(
        nli=NliSource(languages=("en", *targets)),
        parallel=ParallelSource(languages=("de",)),
        lexicon=None if folder is None else str(folder),
    )


def test_lexicon_files_are_folded_and_merged(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text(
        "Dog\tHund\ndog hund\ndog\tKöter\nNew York\tneu york\r\n\n", encoding="utf-8"
    )
    lexicon = load_lexicon(config(tmp_path), "de")
    assert lexicon == Lexicon("de", {"dog": ("hund", "köter"), "new york": ("neu york",)})
    assert load_lexicon(config(tmp_path), "sw") is None
    assert load_lexicon(config(None), "de") is None
    assert missing_lexicons(config(tmp_path)) == ("sw",)
    assert missing_lexicons(config(None)) == ()


@pytest.mark.parametrize("line", ["dog", "dog\t", "\thund", "dog\thund\tx", "a dog hund"])
def test_malformed_lexicon_lines_are_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text(f"cat\tkatze\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"data\.lexicon: .*en-de\.txt, line 2: "):
        load_lexicon(config(tmp_path), "de")


def test_unusable_lexicons_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.lexicon: the folder .* does not exist"):
        load_lexicon(config(tmp_path / "absent"), "de")
    with pytest.raises(InputError, match="does not exist"):
        missing_lexicons(config(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"data\.lexicon: .* none of de, sw"):
        missing_lexicons(config(tmp_path))
    (tmp_path / "en-de.txt").write_bytes(b"dog\t\xff\n")
    with pytest.raises(InputError, match="UTF-8"):
        load_lexicon(config(tmp_path), "de")
    (tmp_path / "en-de.txt").write_text("\n")
    with pytest.raises(InputError, match="no translation"):
        load_lexicon(config(tmp_path), "de")


def test_embedded_lexicon() -> None:
    lexicon = load_lexicon(DataConfig(), "zh")
    assert lexicon is not None
    assert lexicon.translations["judge"] == ("法官",)
    assert load_lexicon(config("embedded"), "sw") is None
    assert missing_lexicons(config("embedded")) == ("sw",)
