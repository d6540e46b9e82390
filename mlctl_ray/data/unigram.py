"""Training the Unigram tokenizer of a model with random weights."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .seed_pieces import seed_pieces

PAD, EOS, UNK = "<pad>", "</s>", "<unk>"
SPECIAL = 3
"""Padding, end of sequence and unk."""
SENTINELS = 100
"""Number of ``<extra_id_N>`` pieces, added to the vocabulary, as in T5."""
LONGEST_SENTENCE = 1 << 20
"""Bytes of the longest line that training reads."""
MARGIN = 1e-3
"""How much better than its best cutting a kept word scores, in log probability."""


def unigram_pieces(
    texts: Iterable[str], *, vocabulary: int, keep: Sequence[str]
) -> list[tuple[str, float]]:
    """Train at most `vocabulary` pieces with their log probabilities (see `train_unigram`)."""
    from tokenizers import normalizers

    normalise = normalizers.NFKC().normalize_str
    lines = sorted(" ".join(normalise(text).split()) for text in texts)
    words = list(dict.fromkeys(normalise(word) for word in keep))
    alphabet = sorted({character for line in (*lines, *words) for character in line} - {" ", "▁"})
    if not any(lines):
        raise InputError("texts: the corpora hold no character to train a tokenizer on")
    least = len(alphabet) + len(words) + SPECIAL + 1
    if vocabulary < least:
        raise InputError(
            f"model.scratch.vocabulary: {vocabulary} is too small for the {len(alphabet)} "
            f"characters of the corpora; needs at least {least}"
        )
    return _with_words(_train(lines, alphabet, vocabulary - len(words)), words)


def _train(lines: list[str], alphabet: list[str], vocabulary: int) -> list[tuple[str, float]]:
    # The trainer of `tokenizers` sums scores in the order of a randomly seeded hash map, so that
    # two processes differ in the last digits; SentencePiece with one thread does not.
    import sentencepiece

    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds.tsv"
        rows = (f"{piece}\t{count}\n" for piece, count in seed_pieces(lines))
        seeds.write_text("".join(rows), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([*lines, *alphabet]),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocabulary,
            seed_sentencepieces_file=str(seeds),
            hard_vocab_limit=False,
            character_coverage=1.0,
            required_chars="".join(alphabet),
            normalization_rule_name="identity",
            max_sentence_length=LONGEST_SENTENCE,
            num_threads=1,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            pad_piece=PAD,
            eos_piece=EOS,
            unk_piece=UNK,
            minloglevel=2,
        )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [(processor.id_to_piece(i), processor.get_score(i)) for i in range(len(processor))]


def _with_words(pieces: list[tuple[str, float]], words: Sequence[str]) -> list[tuple[str, float]]:
    """Add each word as a piece that scores just above the best way to cut it."""
    scores = dict(pieces)
    backend = _backend(pieces)
    for word in words:
        piece = f"▁{word}"
        cut = backend.encode(word, add_special_tokens=False).tokens
        if cut != [piece]:
            scores[piece] = sum(scores.get(part, min(scores.values())) for part in cut) + MARGIN
    return list(scores.items())


def _backend(pieces: list[tuple[str, float]]) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    backend = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(
        single=["$A", EOS], pair=["$A", EOS, "$B", EOS], special_tokens=[(EOS, 1)]
    )
    return backend


def fast_tokenizer(pieces: list[tuple[str, float]]) -> Any:
    """Return a fast tokenizer of transformers over `pieces`, with the sentinels of T5 added."""
    from transformers import PreTrainedTokenizerFast

    wrapper: Any = PreTrainedTokenizerFast
    return wrapper(
        tokenizer_object=_backend(pieces),
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        additional_special_tokens=[f"<extra_id_{i}>" for i in range(SENTINELS)],
        model_input_names=["input_ids", "attention_mask"],
    )
