"""Bilingual lexicons: source words and their translations into one language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..config.data import EMBEDDED, DataConfig
from ..errors import InputError
from .segmentation import Entries, entries_of, fold


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Translations of source words into `language`; both sides as `segmentation.fold` gives them.

    `source_entries` and `target_entries` are the word lists of the two sides.
    """

    language: str
    translations: Mapping[str, tuple[str, ...]]
    source_entries: Entries = field(init=False, repr=False, compare=False)
    target_entries: Entries = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        targets = frozenset(form for forms in self.translations.values() for form in forms)
        object.__setattr__(self, "source_entries", entries_of(self.translations))
        object.__setattr__(self, "target_entries", entries_of(targets))


def load_lexicon(config: DataConfig, language: str) -> Lexicon | None:
    """Return the lexicon from the source language into `language`; None where there is none.

    Reads ``<config.lexicon>/<source>-<language>.txt``, laid out as MUSE: UTF-8, one translation a
    line, the two words parted by a tab (which allows phrases) or by spaces. Raises `InputError`
    for a missing folder and, with the line number, for a malformed line.
    """
    if config.lexicon is None:
        return None
    if config.lexicon == EMBEDDED:
        return _load_embedded(config.nli.source, language)
    path = _file(config, language)
    return _read(path, language) if path.is_file() else None


def missing_lexicons(config: DataConfig) -> tuple[str, ...]:
    """Return the zero-shot and parallel languages without a lexicon; none when no lexicon is set.

    Raises `InputError` when the folder does not exist or no language has a lexicon.
    """
    if config.lexicon is None:
        return ()
    languages = tuple(dict.fromkeys((*config.nli.targets, *config.parallel_languages)))
    if config.lexicon == EMBEDDED:
        missing = tuple(x for x in languages if not _is_embedded(config.nli.source, x))
    else:
        missing = tuple(x for x in languages if not _file(config, x).is_file())
    if languages and len(missing) == len(languages):
        raise InputError(
            f"data.lexicon: {config.lexicon!r} has a lexicon for none of {', '.join(languages)}; "
            f"allowed: 'embedded' or a folder of {config.nli.source}-<language>.txt"
        )
    return missing


def _file(config: DataConfig, language: str) -> Path:
    folder = Path(str(config.lexicon)).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"data.lexicon: the folder {config.lexicon!r} does not exist; "
            "allowed: a folder, 'embedded', or null"
        )
    return folder / f"{config.nli.source}-{language}.txt"


def _is_embedded(source: str, language: str) -> bool:
    from .embedded import LANGUAGES

    return source == LANGUAGES[0] and language in LANGUAGES[1:]


def _load_embedded(source: str, language: str) -> Lexicon | None:
    from .embedded import lexicon

    if not _is_embedded(source, language):
        return None
    return _lexicon(
        language, [(w, form) for w, forms in lexicon(language).items() for form in forms]
    )


def _read(path: Path, language: str) -> Lexicon:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"data.lexicon: {path} cannot be read as UTF-8 text ({error})") from None
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parts = line.split("\t") if "\t" in line else line.split()
        if len(parts) != 2 or not all(part.strip() for part in parts):
            raise InputError(
                f"data.lexicon: {path}, line {number}: {line.strip()[:80]!r} is not a word, a tab "
                "or space, and a translation"
            )
        pairs.append((parts[0], parts[1]))
    if not pairs:
        raise InputError(f"data.lexicon: {path} holds no translation")
    return _lexicon(language, pairs)


def _lexicon(language: str, pairs: list[tuple[str, str]]) -> Lexicon:
    collected: dict[str, dict[str, None]] = {}
    for word, translation in pairs:
        collected.setdefault(fold(word), {})[fold(translation)] = None
    return Lexicon(language, {word: tuple(forms) for word, forms in collected.items()})
