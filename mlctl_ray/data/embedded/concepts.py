"""Language-independent concepts of the embedded corpus: agents, verbs, slots and their categories.

A concept is named by its English surface form, which is unique over all roles. In every slot all
categories have the same number of members and exclude each other, so a premise tells nothing about
the label by the frequency of its concepts. Words were chosen so that no language spells a content
word as English does.
"""

from __future__ import annotations

QUERIED: tuple[str, ...] = ("object", "place")
"""Slots that a hypothesis may query; every premise fills both, one of them specifically."""

EXTRAS: tuple[str, ...] = ("time", "companion", "beneficiary")
"""Roles of which a premise tells up to two, and that no hypothesis queries."""

SLOTS: tuple[str, ...] = (*QUERIED, "companion", "beneficiary")
"""Slots with categories."""

ROLES: tuple[str, ...] = ("time", "agent", "verb", *SLOTS)
"""All parts of a clause."""

# fmt: off
AGENTS: tuple[str, ...] = (
    "doctor", "teacher", "girl", "boy", "nurse", "farmer", "judge", "fisherman",
    "lawyer", "soldier", "hunter", "pupil", "neighbor", "widow", "sailor", "witch",
)

VERBS: tuple[str, ...] = (
    "buys", "sells", "finds", "sketches", "brings", "hides",
    "chooses", "collects", "steals", "seeks", "counts", "carries",
)

TIMES: tuple[str, ...] = (
    "now", "today", "noon", "morning", "afternoon", "night", "breakfast", "thunderstorm",
    "celebration",
)
"""Times; their lengths differ widely, to drown what length would tell."""

MEMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "object": {
        "fruit": ("pears", "cherries", "peaches", "plums", "grapes"),
        "clothes": ("trousers", "skirts", "shirts", "gloves", "socks"),
        "weapons": ("swords", "spears", "daggers", "bows", "pistols"),
    },
    "place": {
        "home": ("kitchen", "cellar", "bathroom", "hallway", "pantry"),
        "nature": ("forest", "valley", "swamp", "desert", "cave"),
        "vehicle": ("train", "plane", "ship", "carriage", "truck"),
    },
    "companion": {
        "birds": ("gulls", "crows", "swans", "parrots", "magpies"),
        "insects": ("bees", "ants", "butterflies", "grasshoppers", "flies"),
        "predators": ("wolves", "bears", "foxes", "lynxes", "hyenas"),
    },
    "beneficiary": {
        "relatives": ("aunts", "uncles", "nephews", "grandsons"),
        "criminals": ("thieves", "murderers", "robbers", "swindlers"),
        "nobles": ("kings", "queens", "princes", "dukes"),
        "artists": ("dancers", "singers", "actors", "musicians"),
    },
}
"""Slot -> category -> its specific concepts."""
# fmt: on

GENERIC: dict[str, str] = {
    "object": "things",
    "place": "region",
    "companion": "animals",
    "beneficiary": "people",
}
"""What a premise says in a slot that it leaves open."""

FILLER = "items"
"""Object of a hypothesis that queries another slot; no premise contains it."""

CATEGORIES: dict[str, tuple[str, ...]] = {slot: tuple(MEMBERS[slot]) for slot in SLOTS}

CATEGORY_OF: dict[str, str] = {
    concept: category
    for categories in MEMBERS.values()
    for category, members in categories.items()
    for concept in members
}
"""Specific concept -> its category."""

CONCEPTS: tuple[str, ...] = (
    *AGENTS,
    *VERBS,
    *TIMES,
    *CATEGORY_OF,
    *(category for slot in SLOTS for category in CATEGORIES[slot]),
    *GENERIC.values(),
    FILLER,
)
"""Every concept that a sentence can contain."""
