"""English, the source language. Order: time agent verb object place companion beneficiary.

In every language the specific and the generic phrases of a slot have the same number of words and
the function words of a premise do not depend on which slots are specific as far as a hypothesis
can share them: neither length nor overlap tells the label.
"""

from __future__ import annotations

from mlctl_ray.data.embedded.concepts import (
    AGENTS,
    CATEGORIES,
    CATEGORY_OF,
    FILLER,
    GENERIC,
    ROLES,
    VERBS,
)
from mlctl_ray.data.embedded.concepts import MEMBERS as _MEMBERS
from mlctl_ray.data.embedded.surface import Grammar, marked, phrases

# fmt: off
_TIMES = {
    "now": "[now]", "today": "[today]", "noon": "at [noon]", "morning": "in the [morning]",
    "afternoon": "in the [afternoon]", "night": "during the [night]",
    "breakfast": "after [breakfast]", "thunderstorm": "during the [thunderstorm]",
    "celebration": "during the [celebration]",
}
# fmt: on

_PATTERNS = {
    "object": "[{}]",
    "place": "in a [{}]",
    "companion": "with [{}]",
    "beneficiary": "for [{}]",
}


def _slot(slot: str) -> dict[str, str]:
    """The concepts of a slot; they are named by their English word."""
    members = [concept for concept in CATEGORY_OF if CATEGORY_OF[concept] in _MEMBERS[slot]]
    return {concept: concept for concept in (*members, *CATEGORIES[slot], GENERIC[slot])}


GRAMMAR = Grammar(
    phrases={
        **phrases("the [{}]", {agent: agent for agent in AGENTS}),
        **phrases("[{}]", {concept: concept for concept in (*VERBS, FILLER)}),
        **{
            concept: value
            for slot, pattern in _PATTERNS.items()
            for concept, value in phrases(pattern, _slot(slot)).items()
        },
        **marked(_TIMES),
        **marked({"nature": "in [nature]"}),
    },
    order=ROLES,
)
