"""How much of a text a tokenizer cannot read (docs/method.md, 6e)."""

from __future__ import annotations

from collections.abc import Sequence

from .tokenizer import TextTokenizer

NO_LIMIT = 1 << 30
"""A `max_length` that cuts nothing."""


def unreadable_share(tokenizer: TextTokenizer, texts: Sequence[str]) -> float:
    """Share in [0, 1] of the characters of `texts`, white space aside, inside unknown pieces.

    0.0 for byte-level tokenizers and for texts without characters.
    """
    if tokenizer.unk_id is None:
        return 0.0
    unknown = total = 0
    for text, encoded in zip(texts, tokenizer.encode(texts, NO_LIMIT), strict=True):
        positions = {
            position
            for id_, (start, end) in zip(encoded.ids, encoded.offsets, strict=True)
            if id_ == tokenizer.unk_id
            for position in range(start, end)
        }
        unknown += sum(not text[position].isspace() for position in positions)
        total += sum(not character.isspace() for character in text)
    return unknown / total if total else 0.0
