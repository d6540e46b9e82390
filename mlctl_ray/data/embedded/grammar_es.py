"""Spanish. Order: time agent verb object place companion beneficiary.

Specific places take "un" or "una", the generic one "algún"; categories take "el" or "la", which a
premise has for its agent only.
"""

from __future__ import annotations

from mlctl_ray.data.embedded.concepts import ROLES
from mlctl_ray.data.embedded.surface import Grammar, marked, phrases

# fmt: off
AGENTS = {
    "doctor": "el [médico]", "teacher": "la [maestra]", "girl": "la [niña]", "boy": "el [niño]",
    "nurse": "la [enfermera]", "farmer": "el [campesino]", "judge": "el [juez]",
    "fisherman": "el [pescador]", "lawyer": "la [abogada]", "soldier": "el [soldado]",
    "hunter": "el [cazador]", "pupil": "la [alumna]", "neighbor": "la [vecina]",
    "widow": "la [viuda]", "sailor": "el [marinero]", "witch": "la [bruja]",
}
VERBS = {
    "buys": "compra", "sells": "vende", "finds": "encuentra", "sketches": "dibuja",
    "brings": "trae", "hides": "esconde", "chooses": "elige", "collects": "recoge",
    "steals": "roba", "seeks": "busca", "counts": "cuenta", "carries": "lleva",
}
TIMES = {
    "now": "[ahora]", "today": "[hoy]", "noon": "al [mediodía]", "morning": "por la [mañana]",
    "afternoon": "por la [tarde]", "night": "durante la [noche]",
    "breakfast": "después del [desayuno]", "thunderstorm": "durante la [tormenta]",
    "celebration": "durante la [celebración]",
}
OBJECTS = {
    "fruit": "fruta", "pears": "peras", "cherries": "cerezas", "peaches": "melocotones",
    "plums": "ciruelas", "grapes": "uvas",
    "clothes": "ropa", "trousers": "pantalones", "skirts": "faldas", "shirts": "camisas",
    "gloves": "guantes", "socks": "calcetines",

    "weapons": "armas", "swords": "espadas", "spears": "lanzas", "daggers": "puñales",
    "bows": "arcos", "pistols": "pistolas",
    "things": "objetos", "items": "cosas",
}
PLACES = {
    "home": "en la [casa]", "kitchen": "en una [cocina]", "cellar": "en un [sótano]",
    "bathroom": "en un [baño]", "hallway": "en un [pasillo]", "pantry": "en una [despensa]",
    "nature": "en la [naturaleza]", "forest": "en un [bosque]", "valley": "en un [valle]",
    "swamp": "en un [pantano]", "desert": "en un [desierto]", "cave": "en una [cueva]",

    "vehicle": "en el [vehículo]", "train": "en un [tren]", "plane": "en un [avión]",
    "ship": "en un [barco]", "carriage": "en un [carruaje]", "truck": "en un [camión]",
    "region": "en un [paraje]",
}
COMPANIONS = {
    "birds": "pájaros", "gulls": "gaviotas", "crows": "cuervos", "swans": "cisnes",
    "parrots": "loros", "magpies": "urracas",
    "insects": "insectos", "bees": "abejas", "ants": "hormigas", "butterflies": "mariposas",
    "grasshoppers": "saltamontes", "flies": "moscas",
    "predators": "fieras", "wolves": "lobos", "bears": "osos", "foxes": "zorros",
    "lynxes": "linces", "hyenas": "hienas",
    "animals": "animales",
}
BENEFICIARIES = {
    "relatives": "parientes", "aunts": "tías", "uncles": "tíos", "nephews": "sobrinos",
    "grandsons": "nietos",
    "criminals": "delincuentes", "thieves": "ladrones", "murderers": "asesinos",
    "robbers": "bandidos", "swindlers": "estafadores",
    "nobles": "aristócratas", "kings": "reyes", "queens": "reinas", "princes": "príncipes",
    "dukes": "duques",
    "artists": "artistas", "dancers": "bailarines", "singers": "cantantes", "actors": "actores",
    "musicians": "músicos",
    "people": "personas",
}
# fmt: on

GRAMMAR = Grammar(
    phrases={
        **marked(AGENTS),
        **phrases("[{}]", VERBS),
        **marked(TIMES),
        **phrases("[{}]", OBJECTS),
        **marked(PLACES),
        **phrases("con [{}]", COMPANIONS),
        **phrases("para [{}]", BENEFICIARIES),
    },
    order=ROLES,
)
