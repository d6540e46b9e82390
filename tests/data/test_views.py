"""Code-switched views: a function of (seed, step, row), with an untouched prompt."""

from __future__ import annotations

import pytest

from mlctl_ray.data.examples import NliExample
from mlctl_ray.data.lexicon import Lexicon
from mlctl_ray.data.tokenizer import TextTokenizer, train_unigram
from mlctl_ray.data.views import SwitchedViews

EXAMPLES = [
    NliExample("1", "the horse sleeps", "the premise sleeps", 0),
    NliExample("2", "the farmer sold the horse", "the horse", 1),
    NliExample("3", "nobody", "somebody", 2),
]
WORDS = {
    "es": {"horse": "caballo", "farmer": "granjero", "premise": "premisa", "sleeps": "duerme"},
    "de": {"horse": "pferd", "farmer": "bauer", "sold": "verkaufte", "hypothesis": "hypothese"},
}
LEXICONS = [
    Lexicon(language, {word: (form,) for word, form in words.items()})
    for language, words in WORDS.items()
]


def prompt(premise: str, hypothesis: str) -> str:
    return f"premise: {premise} hypothesis: {hypothesis}"


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    texts = [prompt(e.premise, e.hypothesis) for e in EXAMPLES]
    texts += [form for words in WORDS.values() for form in words.values()]
    return train_unigram(texts * 2, vocabulary=150)


def _views(tokenizer: TextTokenizer, rate: float = 0.5, seed: int = 0) -> SwitchedViews:
    return SwitchedViews(EXAMPLES, LEXICONS, tokenizer, prompt, rate, 64, seed)


def test_all_words_are_switched_and_the_prompt_is_not(tokenizer: TextTokenizer) -> None:
    views = _views(tokenizer, rate=1.0)
    texts = {views.text(0, step) for step in range(40)}
    assert texts == {
        f"premise: the {horse} duerme hypothesis: the premisa duerme"
        for horse in ("caballo", "pferd")
    }


def test_rate_zero_and_no_lexicon_leave_the_examples(tokenizer: TextTokenizer) -> None:
    without = SwitchedViews(EXAMPLES, [], tokenizer, prompt, 1.0, 64, 0)
    for views in (_views(tokenizer, rate=0.0), without):
        for row, example in enumerate(EXAMPLES):
            assert views.text(row, 7) == prompt(example.premise, example.hypothesis)


def test_premise_and_hypothesis_are_switched_separately(tokenizer: TextTokenizer) -> None:
    views = _views(tokenizer)
    seen = set()
    for step in range(100):
        premise, _, hypothesis = views.text(1, step).partition(" hypothesis: ")
        seen.add(("horse" in premise, "horse" in hypothesis))
    assert len(seen) == 4


def test_view_depends_on_seed_step_and_row_only(tokenizer: TextTokenizer) -> None:
    views = _views(tokenizer)
    first = [views.encode([0, 1, 2], step) for step in range(6)]
    for step in (5, 0, 3):
        again = _views(tokenizer).encode([2, 1], step)
        assert again == [first[step][2], first[step][1]]
    assert len({tuple(encoded[1].ids) for encoded in first}) > 1
    other = _views(tokenizer, seed=1)
    assert any(other.text(1, step) != views.text(1, step) for step in range(6))


def test_views_are_encoded_like_the_table(tokenizer: TextTokenizer) -> None:
    views = SwitchedViews(EXAMPLES, LEXICONS, tokenizer, prompt, 1.0, 6, 0)
    [encoded] = views.encode([1], 3)
    assert encoded == tokenizer.encode([views.text(1, 3)], 6)[0]
    assert len(encoded.ids) == 6 and encoded.ids[-1] == tokenizer.eos_id
