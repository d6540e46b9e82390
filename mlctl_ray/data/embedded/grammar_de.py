"""German. Verb second: agent verb place companion beneficiary object, or time verb agent
place and so on.

Places of a premise say "in" with "einem" or "einer", categories "im", "dem" or "in der": what they
share is "in", which every premise has. Objects, companions (dative) and beneficiaries (accusative)
are plurals or mass nouns without article.
"""

from __future__ import annotations

from mlctl_ray.data.embedded.surface import Grammar, marked, phrases

# fmt: off
AGENTS = {
    "doctor": "der [Arzt]", "teacher": "die [Lehrerin]", "girl": "das [Mädchen]",
    "boy": "der [Junge]", "nurse": "die [Krankenschwester]", "farmer": "der [Bauer]",
    "judge": "der [Richter]", "fisherman": "der [Fischer]", "lawyer": "die [Anwältin]",
    "soldier": "der [Soldat]", "hunter": "der [Jäger]", "pupil": "die [Schülerin]",
    "neighbor": "die [Nachbarin]", "widow": "die [Witwe]", "sailor": "der [Matrose]",
    "witch": "die [Hexe]",
}
VERBS = {
    "buys": "kauft", "sells": "verkauft", "finds": "findet", "sketches": "zeichnet",
    "brings": "bringt", "hides": "versteckt", "chooses": "wählt", "collects": "sammelt",
    "steals": "stiehlt", "seeks": "sucht", "counts": "zählt", "carries": "trägt",
}
TIMES = {
    "now": "[jetzt]", "today": "[heute]", "noon": "am [Mittag]", "morning": "am [Morgen]",
    "afternoon": "am [Nachmittag]", "night": "während der [Nacht]",
    "breakfast": "nach dem [Frühstück]", "thunderstorm": "während des [Gewitters]",
    "celebration": "während der [Feierlichkeiten]",
}
OBJECTS = {
    "fruit": "Obst", "pears": "Birnen", "cherries": "Kirschen", "peaches": "Pfirsiche",
    "plums": "Pflaumen", "grapes": "Trauben",
    "clothes": "Kleidung", "trousers": "Hosen", "skirts": "Röcke", "shirts": "Hemden",
    "gloves": "Handschuhe", "socks": "Strümpfe",

    "weapons": "Waffen", "swords": "Schwerter", "spears": "Speere", "daggers": "Dolche",
    "bows": "Bögen", "pistols": "Pistolen",
    "things": "Objekte", "items": "Dinge",
}
PLACES = {
    "home": "in der [Wohnung]", "kitchen": "in einer [Küche]", "cellar": "in einem [Keller]",
    "bathroom": "in einem [Badezimmer]", "hallway": "in einem [Flur]",
    "pantry": "in einer [Kammer]",
    "nature": "in der [Natur]", "forest": "in einem [Wald]", "valley": "in einer [Schlucht]",
    "swamp": "in einem [Sumpf]", "desert": "in einer [Wüste]", "cave": "in einer [Grotte]",

    "vehicle": "im [Gefährt]", "train": "in einem [Zug]", "plane": "in einem [Flugzeug]",
    "ship": "in einem [Schiff]", "carriage": "in einer [Kutsche]", "truck": "in einem [Laster]",
    "region": "in einer [Gegend]",
}
COMPANIONS = {
    "birds": "Vögeln", "gulls": "Möwen", "crows": "Krähen", "swans": "Schwänen",
    "parrots": "Papageien", "magpies": "Elstern",
    "insects": "Insekten", "bees": "Bienen", "ants": "Ameisen", "butterflies": "Faltern",
    "grasshoppers": "Heuschrecken", "flies": "Fliegen",
    "predators": "Bestien", "wolves": "Wölfen", "bears": "Bären", "foxes": "Füchsen",
    "lynxes": "Luchsen", "hyenas": "Hyänen",
    "animals": "Tieren",
}
BENEFICIARIES = {
    "relatives": "Verwandte", "aunts": "Tanten", "uncles": "Onkel", "nephews": "Neffen",
    "grandsons": "Enkel",
    "criminals": "Verbrecher", "thieves": "Diebe", "murderers": "Mörder", "robbers": "Räuber",
    "swindlers": "Betrüger",
    "nobles": "Adlige", "kings": "Könige", "queens": "Königinnen", "princes": "Prinzen",
    "dukes": "Herzöge",
    "artists": "Künstler", "dancers": "Tänzer", "singers": "Sänger", "actors": "Schauspieler",
    "musicians": "Musiker",
    "people": "Leute",
}
# fmt: on

_REST = ("verb", "place", "companion", "beneficiary", "object")

GRAMMAR = Grammar(
    phrases={
        **marked(AGENTS),
        **phrases("[{}]", VERBS),
        **marked(TIMES),
        **phrases("[{}]", OBJECTS),
        **marked(PLACES),
        **phrases("mit [{}]", COMPANIONS),
        **phrases("für [{}]", BENEFICIARIES),
    },
    order=("agent", *_REST),
    order_with_time=("time", "verb", "agent", *_REST[1:]),
)
