"""One view on the tokenizers of the T5 family: ids, character offsets and single pieces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError
from .paths import local_folder
from .unigram import fast_tokenizer, unigram_pieces

BYTE_OFFSET = 3
"""ByT5 gives the UTF-8 byte b the id b + 3, after pad, end of sequence and unk."""

SPACE_MARKER = "▁"
"""Piece of a lone space in SentencePiece vocabularies."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded text.

    `ids` ends with the end-of-sequence piece. ``offsets[i]`` is the half-open character range of
    the original text that piece i stands for, without the white space around it; it is empty for
    a lone space marker and ``(len(text), len(text))`` for the end-of-sequence piece.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]


class TextTokenizer:
    """A Hugging Face tokenizer of the T5 family: one sequence is its pieces, then `eos_id`.

    Fast tokenizers and ByT5 (one piece a UTF-8 byte) are supported; any other tokenizer, or one
    without padding or end of sequence, raises `InputError`, which names it as `name`.
    """

    def __init__(self, hf: Any, name: str = "tokenizer") -> None:
        self._byte_level = type(hf).__name__ == "ByT5Tokenizer"
        if not (hf.is_fast or self._byte_level):
            raise InputError(
                f"tokenizer {name!r}: {type(hf).__name__} gives no character offsets; "
                "allowed: a fast tokenizer (tokenizer.json, spiece.model) or ByT5"
            )
        if hf.pad_token_id is None or hf.eos_token_id is None:
            raise InputError(f"tokenizer {name!r} needs a padding and an end-of-sequence piece")
        if hf.is_fast:
            # A tokenizer.json may carry the truncation and padding of another use.
            hf.backend_tokenizer.no_truncation()
            hf.backend_tokenizer.no_padding()
        self._hf = hf
        # A prepended marker reports the range of the character after it.
        self._marker = hf.get_vocab().get(SPACE_MARKER)

    @property
    def hf(self) -> Any:
        """The wrapped tokenizer of transformers."""
        return self._hf

    @property
    def byte_level(self) -> bool:
        """Whether a piece is one UTF-8 byte, so that every text can be read."""
        return self._byte_level

    @property
    def pad_id(self) -> int:
        """Id of the padding piece."""
        return int(self._hf.pad_token_id)

    @property
    def eos_id(self) -> int:
        """Id of the end-of-sequence piece."""
        return int(self._hf.eos_token_id)

    @property
    def unk_id(self) -> int | None:
        """Id of the unknown piece; None when every text can be read."""
        if self._byte_level or self._hf.unk_token_id is None:
            return None
        return int(self._hf.unk_token_id)

    @property
    def size(self) -> int:
        """Number of pieces, added ones counted."""
        return len(self._hf)

    @cached_property
    def sentinels(self) -> tuple[int, ...]:
        """Ids of ``<extra_id_0>``, ``<extra_id_1>``, ... in this order; empty without them."""
        vocabulary = self._hf.get_vocab()
        ids: list[int] = []
        while (token := f"<extra_id_{len(ids)}>") in vocabulary:
            ids.append(int(vocabulary[token]))
        return tuple(ids)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides ids and offsets; the same after saving and loading."""
        vocabulary = self._hf.get_vocab()
        content: dict[str, Any] = {"pad": self.pad_id, "eos": self.eos_id}
        content["added"] = sorted(
            (token, vocabulary[token]) for token in self._hf.all_special_tokens
        )
        if self._byte_level:
            content["vocabulary"] = sorted(vocabulary.items())
        else:
            backend = json.loads(self._hf.backend_tokenizer.to_str())
            content |= {key: backend[key] for key in ("model", "normalizer", "pre_tokenizer")}
            content["added"] += sorted((t["content"], t["id"]) for t in backend["added_tokens"])
        text = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def encode(self, texts: Sequence[str], max_length: int) -> list[Encoded]:
        """Encode each text, cut to `max_length` pieces of which the last is `eos_id`."""
        if max_length < 1:
            raise InputError(f"max_length: {max_length} is not allowed; needs at least 1")
        if self._byte_level:
            return [self._encode_bytes(text, max_length) for text in texts]
        encodings = self._hf.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [
            self._finish(text, encoding.ids, encoding.offsets, max_length)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _finish(
        self, text: str, ids: list[int], offsets: list[tuple[int, int]], max_length: int
    ) -> Encoded:
        kept = [
            (start, start) if id_ == self._marker else _trim(text, start, end)
            for id_, (start, end) in zip(ids[: max_length - 1], offsets, strict=False)
        ]
        return Encoded(
            ids=[*ids[: max_length - 1], self.eos_id], offsets=[*kept, (len(text), len(text))]
        )

    def _encode_bytes(self, text: str, max_length: int) -> Encoded:
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for position, character in enumerate(text[: max_length - 1]):
            for byte in character.encode():
                ids.append(byte + BYTE_OFFSET)
                offsets.append((position, position + 1))
        kept = slice(max_length - 1)
        return Encoded([*ids[kept], self.eos_id], [*offsets[kept], (len(text), len(text))])

    def piece_of(self, word: str, field: str) -> int:
        """Return the id of the one piece that is `word`.

        Raises `InputError` naming `field`, the word and its pieces when it is cut into several
        pieces or holds characters that the tokenizer does not know (docs/method.md, 6b).
        """
        ids = self.encode([word], len(word.encode()) + 8)[0].ids[:-1]
        if len(ids) == 1 and ids[0] != self.unk_id:
            return ids[0]
        pieces = self._hf.convert_ids_to_tokens(ids)
        raise InputError(
            f"{field}: {word!r} becomes the pieces {pieces} of this tokenizer; "
            "allowed: a word that is one known piece"
        )

    def save(self, folder: str | Path) -> None:
        """Write the tokenizer so that `load_tokenizer` reads it back with the same ids."""
        self._hf.save_pretrained(str(folder))


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Take white space off both ends of a range: a space marker stands for a space."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def train_unigram(
    texts: Iterable[str], *, vocabulary: int, keep: Sequence[str] = ()
) -> TextTokenizer:
    """Train a Unigram tokenizer (Kudo 2018, arXiv 1804.10959) laid out as that of T5.

    Pieces 0, 1, 2 are padding, end of sequence and unk; at most `vocabulary` pieces with them and
    the words of `keep`, each of which becomes one piece; then 100 sentinels. Text is normalised
    by NFKC and cut at white space. Every character of the texts is a piece. The same texts in any
    order, repetitions counted, give the same tokenizer in every process.

    Raises `InputError` for texts without characters, a `vocabulary` that does not hold every
    character, and a word of `keep` that holds white space.
    """
    pieces = unigram_pieces(texts, vocabulary=vocabulary, keep=keep)
    tokenizer = TextTokenizer(fast_tokenizer(pieces))
    for word in keep:
        tokenizer.piece_of(word, "model.verbalisers")
    return tokenizer


def load_tokenizer(name: str, field: str = "model.name") -> TextTokenizer:
    """Load the tokenizer of a hub id or a local folder; local folders never ask the network.

    Raises `InputError` naming `field` for a folder that does not exist or holds no tokenizer, for
    a hub id that cannot be read, and for a tokenizer without character offsets.
    """
    folder = local_folder(name, field)
    if folder is not None and not _holds_tokenizer(folder):
        raise InputError(
            f"{field}: the folder {name!r} holds no tokenizer; "
            "allowed: a folder with tokenizer.json, spiece.model or a ByT5 tokenizer_config.json"
        )
    from transformers import AutoTokenizer

    try:
        if folder is not None:
            hf = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        else:
            hf = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{field}: cannot load the tokenizer of {name!r} ({reason})") from None
    return TextTokenizer(hf, name)


def _holds_tokenizer(folder: Path) -> bool:
    # transformers makes an empty vocabulary for a T5 folder without any of these.
    if (folder / "tokenizer.json").is_file() or any(folder.glob("*.model")):
        return True
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("tokenizer_class") == "ByT5Tokenizer"
