"""Word alignments of a sentence pair from a bilingual lexicon."""

from __future__ import annotations

from collections import Counter

from .examples import Span, WordAlignment
from .lexicon import Lexicon
from .segmentation import find_words

_FUNCTION_WORDS = """
a about an and any are as at be been being but by can could did do does for from had has
have he her hers him his i if in into is it its may me might my no nor not of on or our
shall she should so some than that the their them then there these they this those to too us
was we were what when where which who whom whose why will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English words that are never aligned (see `align_words`)."""


def align_words(source: str, target: str, lexicon: Lexicon) -> tuple[WordAlignment, ...]:
    """Align words that a lexicon translates, where the alignment is beyond doubt.

    After docs/method.md, 1.1, on whole words instead of substrings: a source word is aligned when
    it occurs exactly once in the source sentence, exactly one of its translations occurs in the
    target sentence, and that one exactly once. Words are found as `segmentation` says and compared
    case-folded. A target word is aligned once, to the leftmost such source word. Alignments come in
    the order of the source.

    English function words are left out: the published dictionary lists concepts, and the general
    ones (MUSE) pair an article or preposition with each of its inflected forms, any of which may
    stand anywhere in the target sentence.
    """
    sources = find_words(source, lexicon.source_entries)
    targets = find_words(target, lexicon.target_entries)
    source_counts = Counter(word.form for word in sources)
    target_counts = Counter(word.form for word in targets)
    spans = {word.form: word.span for word in targets}
    used: set[Span] = set()
    alignments: list[WordAlignment] = []
    for word in sources:
        if source_counts[word.form] != 1 or word.form in FUNCTION_WORDS:
            continue
        present = [form for form in lexicon.translations.get(word.form, ()) if form in spans]
        if len(present) != 1 or target_counts[present[0]] != 1 or spans[present[0]] in used:
            continue
        used.add(spans[present[0]])
        alignments.append(WordAlignment(word.span, spans[present[0]]))
    return tuple(alignments)
