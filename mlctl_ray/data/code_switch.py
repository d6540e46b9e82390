"""Code-switched views: source words replaced by translations (CoSDA-ML, arXiv 2006.06402)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .lexicon import Lexicon
from .segmentation import Entries, find_words


def code_switch(
    text: str, lexicons: Sequence[Lexicon], rate: float, rng: np.random.Generator
) -> str:
    """Replace each word that has a translation with probability `rate`.

    The language is drawn uniformly among the lexicons that have the word, then the translation
    uniformly among those of that lexicon. An upper-case first letter stays upper case; punctuation
    and spacing stay as they are. The same state of `rng` gives the same text.
    """
    if rate == 0 or not lexicons:
        return text
    entries = Entries(
        lambda form: any(form in lexicon.translations for lexicon in lexicons),
        max(lexicon.source_entries.characters for lexicon in lexicons),
        max(lexicon.source_entries.words for lexicon in lexicons),
    )
    parts: list[str] = []
    done = 0
    for word in find_words(text, entries):
        having = [lexicon for lexicon in lexicons if word.form in lexicon.translations]
        if not having or rng.random() >= rate:
            continue
        forms = having[rng.integers(len(having))].translations[word.form]
        form = forms[rng.integers(len(forms))]
        start, end = word.span.start, word.span.end
        parts += [text[done:start], _capitalised(form) if text[start].isupper() else form]
        done = end
    return "".join([*parts, text[done:]])


def _capitalised(form: str) -> str:
    return form[:1].title() + form[1:]
