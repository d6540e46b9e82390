"""Russian. Order: time agent verb place object companion beneficiary, present tense (no
gender).

Cases: objects accusative (all inanimate), places prepositional, companions instrumental,
beneficiaries genitive. Places of a premise say "в"; no premise says "на".
"""

from __future__ import annotations

from mlctl_ray.data.embedded.surface import Grammar, marked, phrases

# fmt: off
AGENTS = {
    "doctor": "врач", "teacher": "учительница", "girl": "девочка", "boy": "мальчик",
    "nurse": "медсестра", "farmer": "крестьянин", "judge": "судья", "fisherman": "рыбак",
    "lawyer": "адвокат", "soldier": "солдат", "hunter": "охотник", "pupil": "ученица",
    "neighbor": "соседка", "widow": "вдова", "sailor": "моряк", "witch": "ведьма",
}
VERBS = {
    "buys": "покупает", "sells": "продаёт", "finds": "находит", "sketches": "рисует",
    "brings": "приносит", "hides": "прячет", "chooses": "выбирает", "collects": "собирает",
    "steals": "крадёт", "seeks": "ищет", "counts": "считает", "carries": "несёт",
}
TIMES = {
    "now": "[сейчас]", "today": "[сегодня]", "noon": "в [полдень]", "morning": "[утром]",
    "afternoon": "[днём]", "night": "[ночью]", "breakfast": "сразу после [завтрака]",
    "thunderstorm": "во время [грозы]", "celebration": "во время [празднования]",
}
OBJECTS = {
    "fruit": "фрукты", "pears": "груши", "cherries": "вишни", "peaches": "персики",
    "plums": "сливы", "grapes": "виноград",
    "clothes": "одежду", "trousers": "брюки", "skirts": "юбки", "shirts": "рубашки",
    "gloves": "перчатки", "socks": "носки",

    "weapons": "оружие", "swords": "мечи", "spears": "копья", "daggers": "кинжалы",
    "bows": "луки", "pistols": "пистолеты",
    "things": "предметы", "items": "вещи",
}
PLACES = {
    "home": "в [доме]", "kitchen": "в [кухне]", "cellar": "в [подвале]",
    "bathroom": "в [ванной]", "hallway": "в [коридоре]", "pantry": "в [кладовой]",
    "nature": "на [природе]", "forest": "в [лесу]", "valley": "в [долине]",
    "swamp": "в [болоте]", "desert": "в [пустыне]", "cave": "в [пещере]",

    "vehicle": "в [транспорте]", "train": "в [поезде]", "plane": "в [самолёте]",
    "ship": "в [корабле]", "carriage": "в [карете]", "truck": "в [грузовике]",
    "region": "в [местности]",
}
COMPANIONS = {
    "birds": "птицами", "gulls": "чайками", "crows": "воронами", "swans": "лебедями",
    "parrots": "попугаями", "magpies": "сороками",
    "insects": "насекомыми", "bees": "пчёлами", "ants": "муравьями", "butterflies": "бабочками",
    "grasshoppers": "кузнечиками", "flies": "мухами",
    "predators": "хищниками", "wolves": "волками", "bears": "медведями", "foxes": "лисами",
    "lynxes": "рысями", "hyenas": "гиенами",
    "animals": "животными",
}
BENEFICIARIES = {
    "relatives": "родственников", "aunts": "тётей", "uncles": "дядей", "nephews": "племянников",
    "grandsons": "внуков",
    "criminals": "преступников", "thieves": "воров", "murderers": "убийц",
    "robbers": "разбойников", "swindlers": "мошенников",
    "nobles": "дворян", "kings": "королей", "queens": "королев", "princes": "принцев",
    "dukes": "герцогов",
    "artists": "артистов", "dancers": "танцоров", "singers": "певцов", "actors": "актёров",
    "musicians": "музыкантов",
    "people": "окружающих",
}
# fmt: on

GRAMMAR = Grammar(
    phrases={
        **phrases("[{}]", AGENTS),
        **phrases("[{}]", VERBS),
        **marked(TIMES),
        **phrases("[{}]", OBJECTS),
        **marked(PLACES),
        **phrases("с [{}]", COMPANIONS),
        **phrases("для [{}]", BENEFICIARIES),
    },
    order=("time", "agent", "verb", "place", "object", "companion", "beneficiary"),
)
