"""Turkish. Verb last: agent time place companion beneficiary object verb.

Places are locative, companions stand before "sürüsüyle" (with a flock or swarm of), so that vowel
harmony gives a category and its members no suffix in common, beneficiaries are plural with "için",
and objects are bare (indefinite), which the position before the verb allows.
"""

from __future__ import annotations

from mlctl_ray.data.embedded.surface import Grammar, marked, phrases

# fmt: off
AGENTS = {
    "doctor": "hekim", "teacher": "öğretmen", "girl": "kız", "boy": "oğlan", "nurse": "hemşire",
    "farmer": "çiftçi", "judge": "yargıç", "fisherman": "balıkçı", "lawyer": "avukat",
    "soldier": "asker", "hunter": "avcı", "pupil": "öğrenci", "neighbor": "komşu",
    "widow": "dul", "sailor": "denizci", "witch": "cadı",
}
VERBS = {
    "buys": "alıyor", "sells": "satıyor", "finds": "buluyor", "sketches": "çiziyor",
    "brings": "getiriyor", "hides": "saklıyor", "chooses": "seçiyor", "collects": "topluyor",
    "steals": "çalıyor", "seeks": "arıyor", "counts": "sayıyor", "carries": "taşıyor",
}
TIMES = {
    "now": "[şimdi]", "today": "[bugün]", "noon": "[öğlen]", "morning": "[sabahleyin]",
    "afternoon": "[ikindi] vakti", "night": "[gece] boyunca",
    "breakfast": "[kahvaltıdan] sonra", "thunderstorm": "[fırtına] sırasında",
    "celebration": "[kutlamalar] devam ederken",
}
OBJECTS = {
    "fruit": "meyve", "pears": "armut", "cherries": "kiraz", "peaches": "şeftali",
    "plums": "erik", "grapes": "üzüm",
    "clothes": "giysi", "trousers": "pantolon", "skirts": "etek", "shirts": "gömlek",
    "gloves": "eldiven", "socks": "çorap",

    "weapons": "silah", "swords": "kılıç", "spears": "mızrak", "daggers": "hançer", "bows": "yay",
    "pistols": "tabanca",
    "things": "eşya", "items": "nesne",
}
PLACES = {
    "home": "evde", "kitchen": "mutfakta", "cellar": "bodrumda", "bathroom": "banyoda",
    "hallway": "koridorda", "pantry": "kilerde",
    "nature": "doğada", "forest": "ormanda", "valley": "vadide", "swamp": "bataklıkta",
    "desert": "çölde", "cave": "mağarada",

    "vehicle": "araçta", "train": "trende", "plane": "uçakta", "ship": "gemide",
    "carriage": "faytonda", "truck": "kamyonda",
    "region": "yörede",
}
COMPANIONS = {
    "birds": "kuş", "gulls": "martı", "crows": "karga", "swans": "kuğu", "parrots": "papağan",
    "magpies": "saksağan",
    "insects": "böcek", "bees": "arı", "ants": "karınca", "butterflies": "kelebek",
    "grasshoppers": "çekirge", "flies": "sinek",
    "predators": "yırtıcı", "wolves": "kurt", "bears": "ayı", "foxes": "tilki", "lynxes": "vaşak",
    "hyenas": "sırtlan",
    "animals": "hayvan",
}
BENEFICIARIES = {
    "relatives": "akrabalar", "aunts": "teyzeler", "uncles": "amcalar", "nephews": "yeğenler",
    "grandsons": "torunlar",
    "criminals": "suçlular", "thieves": "hırsızlar", "murderers": "katiller",
    "robbers": "haydutlar", "swindlers": "dolandırıcılar",
    "nobles": "soylular", "kings": "krallar", "queens": "kraliçeler", "princes": "prensler",
    "dukes": "dükler",
    "artists": "sanatçılar", "dancers": "dansçılar", "singers": "şarkıcılar",
    "actors": "oyuncular", "musicians": "müzisyenler",
    "people": "insanlar",
}
# fmt: on

GRAMMAR = Grammar(
    phrases={
        **phrases("[{}]", AGENTS),
        **phrases("[{}]", VERBS),
        **marked(TIMES),
        **phrases("[{}]", OBJECTS),
        **phrases("[{}]", PLACES),
        **phrases("[{}] sürüsüyle", COMPANIONS),
        **phrases("[{}] için", BENEFICIARIES),
    },
    order=("agent", "time", "place", "companion", "beneficiary", "object", "verb"),
)
