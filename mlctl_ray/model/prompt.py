"""NLI as text-to-text: the encoder's prompt and the answers' single pieces."""

from __future__ import annotations

from collections.abc import Callable

from ..config import TextFormat
from ..data.tokenizer import TextTokenizer

Prompt = Callable[[str, str], str]
"""Renders (premise, hypothesis) into the encoder's input text."""


def make_prompt(text: TextFormat) -> Prompt:
    """The prompt function of a format.

    ``{options}`` becomes FLAN's list of answers with the configured verbalisers
    (method.md, section 6a).
    """
    options = "OPTIONS:\n" + "\n".join(f"- {answer}" for answer in text.verbalisers)
    template = text.prompt

    def render(premise: str, hypothesis: str) -> str:
        return template.format(premise=premise, hypothesis=hypothesis, options=options)

    return render


def verbaliser_ids(text: TextFormat, tokenizer: TextTokenizer) -> tuple[int, int, int]:
    """Piece ids of the answers for entailment, neutral and contradiction.

    Raises:
        InputError: an answer is several pieces or unknown, or two share a piece
            (method.md, section 6b: `0` and `entailment` are several pieces in T5).
    """
    yes, maybe, no = (
        tokenizer.piece_of(answer, f"model.verbalisers.{index}")
        for index, answer in enumerate(text.verbalisers)
    )
    return yes, maybe, no
