"""Chinese, written without spaces. Order: agent time place companion beneficiary verb
object.

Every content word but times has two characters, and no category shares a character with a concept
or generic word, so neither length nor shared characters tell the label.
"""

from __future__ import annotations

from mlctl_ray.data.embedded.surface import Grammar, marked, phrases

# fmt: off
AGENTS = {
    "doctor": "医生", "teacher": "老师", "girl": "女孩", "boy": "男孩", "nurse": "护士",
    "farmer": "农民", "judge": "法官", "fisherman": "渔夫", "lawyer": "律师", "soldier": "士兵",
    "hunter": "猎人", "pupil": "学生", "neighbor": "邻居", "widow": "寡妇", "sailor": "水手",
    "witch": "女巫",
}
VERBS = {
    "buys": "购买", "sells": "出售", "finds": "找到", "sketches": "描绘", "brings": "带来",
    "hides": "隐藏", "chooses": "挑选", "collects": "收集", "steals": "偷走", "seeks": "寻找",
    "counts": "清点", "carries": "搬运",
}
TIMES = {
    "now": "[现在]", "today": "[今天]", "noon": "[中午]", "morning": "在[早上]的时候",
    "afternoon": "[下午]", "night": "[夜里]", "breakfast": "吃完[早餐]之后",
    "thunderstorm": "[暴风雨]期间", "celebration": "举行[庆典]的时候",
}
OBJECTS = {
    "fruit": "水果", "pears": "梨子", "cherries": "樱桃", "peaches": "桃子", "plums": "李子",
    "grapes": "葡萄",
    "clothes": "衣服", "trousers": "裤子", "skirts": "裙子", "shirts": "衬衫", "gloves": "手套",
    "socks": "袜子",

    "weapons": "武器", "swords": "长剑", "spears": "长矛", "daggers": "匕首", "bows": "弓箭",
    "pistols": "手枪",
    "things": "东西", "items": "货品",
}
PLACES = {
    "home": "住宅", "kitchen": "厨房", "cellar": "地窖", "bathroom": "浴室", "hallway": "走廊",
    "pantry": "库房",
    "nature": "郊外", "forest": "森林", "valley": "山谷", "swamp": "沼泽", "desert": "沙漠",
    "cave": "山洞",

    "vehicle": "载具", "train": "火车", "plane": "飞机", "ship": "轮船", "carriage": "马车",
    "truck": "卡车",
    "region": "某处",
}
COMPANIONS = {
    "birds": "鸟类", "gulls": "海鸥", "crows": "乌鸦", "swans": "天鹅", "parrots": "鹦鹉",
    "magpies": "喜鹊",
    "insects": "昆虫", "bees": "蜜蜂", "ants": "蚂蚁", "butterflies": "蝴蝶",
    "grasshoppers": "蚱蜢", "flies": "苍蝇",
    "predators": "猛兽", "wolves": "野狼", "bears": "黑熊", "foxes": "狐狸", "lynxes": "猞猁",
    "hyenas": "鬣狗",
    "animals": "动物",
}
BENEFICIARIES = {
    "relatives": "亲戚", "aunts": "姨妈", "uncles": "叔叔", "nephews": "侄子", "grandsons": "孙子",
    "criminals": "罪犯", "thieves": "小偷", "murderers": "凶手", "robbers": "强盗",
    "swindlers": "骗子",
    "nobles": "贵族", "kings": "国王", "queens": "王后", "princes": "王子", "dukes": "公爵",
    "artists": "艺人", "dancers": "舞者", "singers": "歌手", "actors": "演员",
    "musicians": "乐师",
    "people": "民众",
}
# fmt: on

GRAMMAR = Grammar(
    phrases={
        **phrases("[{}]", AGENTS),
        **phrases("[{}]", VERBS),
        **marked(TIMES),
        **phrases("[{}]", OBJECTS),
        **phrases("在[{}]", PLACES),
        **phrases("跟[{}]一起", COMPANIONS),
        **phrases("为[{}]", BENEFICIARIES),
    },
    order=("agent", "time", "place", "companion", "beneficiary", "verb", "object"),
    space="",
    final="。",
)
