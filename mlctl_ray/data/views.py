"""Code-switched views of the source language's NLI examples, for the label level."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .code_switch import code_switch
from .examples import NliExample
from .lexicon import Lexicon
from .ragged import IntArray
from .tokenizer import Encoded, TextTokenizer


class SwitchedViews:
    """Views in which source words are replaced by lexicon translations (CoSDA-ML).

    The view of a row depends on (seed, step, row) only. Premise and hypothesis are switched
    separately and the prompt around them stays. Nothing but the source examples and the lexicons
    is read, so no text or label of a target language's task data reaches training.

    Args:
        examples: the source language's training examples, in the order of their table.
        lexicons: of the languages that are switched to.
        tokenizer: the model's.
        prompt: renders (premise, hypothesis) into the model's input.
        rate: probability that a word with a translation is replaced.
        max_length: most pieces of an input.
        seed: of the views.
    """

    def __init__(
        self,
        examples: Sequence[NliExample],
        lexicons: Sequence[Lexicon],
        tokenizer: TextTokenizer,
        prompt: Callable[[str, str], str],
        rate: float,
        max_length: int,
        seed: int,
    ) -> None:
        self._examples = examples
        self._lexicons = tuple(lexicons)
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._rate = rate
        self._max_length = max_length
        self._seed = seed

    def encode(self, rows: Sequence[int] | IntArray, step: int) -> list[Encoded]:
        """The encoded view of each row at one step."""
        texts = [self.text(int(row), step) for row in rows]
        return self._tokenizer.encode(texts, self._max_length)

    def text(self, row: int, step: int) -> str:
        """The text of one row's view at one step."""
        example = self._examples[row]
        rng = np.random.default_rng([self._seed, step, row])
        premise = code_switch(example.premise, self._lexicons, self._rate, rng)
        hypothesis = code_switch(example.hypothesis, self._lexicons, self._rate, rng)
        return self._prompt(premise, hypothesis)
