"""Embedded corpus: generated NLI and parallel text in six languages, for use without a network.

Each row is made from a frame of concepts (`frames`) that every language realises with hand-written
forms (`grammar_*`). The task can be solved from lexical knowledge alone (is a pear a fruit?) and
from nothing less: neither sentence alone, nor lengths, nor shared words tell the label.
"""

from __future__ import annotations

from mlctl_ray.data.embedded.corpus import LANGUAGES, lexicon, nli_examples, parallel_pairs

__all__ = ["LANGUAGES", "lexicon", "nli_examples", "parallel_pairs"]
