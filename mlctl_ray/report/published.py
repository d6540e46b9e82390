"""Published XNLI test accuracies in percent (docs/method.md, sections 5a and 5b).

Only rows read in their source are here. Training on English MNLI unless the setting says more.
"""

from __future__ import annotations

from collections.abc import Iterable

from .values import Published

LANGUAGES = (
    "en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur",
)  # fmt: skip
"""Order of the columns in the sources."""

ZERO_SHOT_SETTING = "zero-shot"
TRANSLATE_TEST = "translate-test"
TRANSLATE_TRAIN = "translate-train-all"

_XLMR = "Conneau et al., ACL 2020, Table 1"
_MBERT = "google-research/bert, multilingual.md"
_LASER = "facebookresearch/LASER, tasks/xnli README"
_DEBERTA = "microsoft/mdeberta-v3-base model card"
_MT5 = "google-research/multilingual-t5 README"
_ALIGN = "XLM-Align README (XTREME protocol, 5 runs)"
_SWAPPED = "average as printed; the averages of the two XLM-100 rows look swapped in the source"


def _full(
    system: str,
    values: str,
    average: float | None,
    *,
    source: str = _XLMR,
    setting: str = ZERO_SHOT_SETTING,
    note: str = "",
    digits: int = 1,
) -> Published:
    accuracy = dict(zip(LANGUAGES, map(float, values.split()), strict=True))
    return Published(system, setting, source, accuracy, average, note, digits)


def _average(system: str, average: float, source: str, note: str = "") -> Published:
    return Published(system, ZERO_SHOT_SETTING, source, {}, average, note)


PUBLISHED: tuple[Published, ...] = (
    _full(
        "mBERT",
        "82.1 73.8 74.3 71.1 66.4 68.9 69.0 61.6 64.9 69.5 55.8 69.3 60.0 50.4 58.0",
        66.3,
        note="model chosen for each language",
    ),
    Published(
        "mBERT uncased",
        ZERO_SHOT_SETTING,
        _MBERT,
        {"en": 81.4, "zh": 63.8, "es": 74.3, "de": 70.5, "ar": 62.1, "ur": 58.3},
        None,
    ),
    _full(
        "LASER",
        "74.65 72.26 73.15 72.48 72.73 73.35 71.08 69.84 70.48 71.94 69.20 71.38 65.95 62.14 61.82",
        None,
        source=_LASER,
        digits=2,
    ),
    _full(
        "XLM-15 MLM+TLM",
        "85.0 78.7 78.9 77.8 76.6 77.4 75.3 72.5 73.1 76.1 73.2 76.5 69.6 68.4 67.3",
        75.1,
        note="Lample & Conneau; uses parallel data",
    ),
    _full(
        "Unicoder",
        "85.1 79.0 79.4 77.8 77.2 77.2 76.3 72.8 73.5 76.4 73.6 76.2 69.4 69.7 66.7",
        75.4,
        note="Huang et al. 2019",
    ),
    _full(
        "XLM-100 MLM (model for each language)",
        "83.7 76.2 76.6 73.7 72.4 73.0 72.1 68.1 68.4 72.0 68.2 71.5 64.5 58.0 62.4",
        71.3,
        note=_SWAPPED,
    ),
    _full(
        "XLM-100 MLM (one model)",
        "83.2 76.7 77.7 74.0 72.7 74.1 72.7 68.7 68.6 72.9 68.9 72.5 65.6 58.2 62.4",
        70.7,
        note=_SWAPPED,
    ),
    _full(
        "XLM-R base",
        "85.8 79.7 80.7 78.7 77.5 79.6 78.1 74.2 73.8 76.5 74.6 76.7 72.4 66.5 68.3",
        76.2,
    ),
    _full(
        "XLM-R large",
        "89.1 84.1 85.1 83.9 82.9 84.0 81.2 79.6 79.8 80.8 78.1 80.2 76.9 73.9 73.8",
        80.9,
        note="mean of 5 seeds",
    ),
    _full(
        "mDeBERTa-v3 base",
        "88.2 82.6 84.4 82.7 82.3 82.4 80.8 79.5 78.5 78.1 76.4 79.5 75.9 73.9 72.4",
        79.8,
        source=_DEBERTA,
        note="dev results by its text; average ±0.2",
    ),
    _full(
        "RoBERTa large",
        "91.3 82.9 84.3 81.2 81.7 83.1 78.3 76.8 76.6 74.2 74.1 77.5 70.9 66.7 66.8",
        77.8,
        setting=TRANSLATE_TEST,
    ),
    _full(
        "XLM-R base",
        "85.4 81.4 82.2 80.3 80.4 81.3 79.7 78.6 77.3 79.7 77.9 80.2 76.1 73.1 73.0",
        79.1,
        setting=TRANSLATE_TRAIN,
    ),
    _full(
        "XLM-R large",
        "89.1 85.1 86.6 85.7 85.3 85.9 83.5 83.2 83.1 83.7 81.5 83.7 81.6 78.0 78.1",
        83.6,
        setting=TRANSLATE_TRAIN,
    ),
    _average("mBERT", 65.4, _MT5),
    _average("MMTE", 67.4, _MT5),
    _average("mT5 small", 67.5, _MT5),
    _average("XLM", 69.1, _MT5),
    _average("XLM-R base", 75.0, _ALIGN, "protocol differs from the row of 76.2"),
    _average("mT5 base", 75.4, _MT5),
    _average("XLM-Align base", 76.2, _ALIGN),
    _average("InfoXLM base", 76.5, _ALIGN),
    _average("XLM-R large", 79.2, _MT5, "XTREME protocol"),
    _average("VECO", 79.9, _MT5),
    _average("X-STILTs", 80.4, _MT5),
    _average("RemBERT", 80.8, _MT5),
    _average("mT5 large", 81.1, _MT5),
    _average("InfoXLM large", 81.4, _MT5),
    _average("mT5 XL", 82.9, _MT5),
    _average("mT5 XXL", 85.0, _MT5),
)


def published_rows(task: str | None, languages: Iterable[str]) -> tuple[Published, ...]:
    """The rows that share a language with an XNLI study trained on English; none otherwise."""
    if task != "xnli" or not set(languages) & set(LANGUAGES):
        return ()
    return PUBLISHED
