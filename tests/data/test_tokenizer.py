from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import ByT5Tokenizer, T5Config, T5Tokenizer

from mlctl_ray.data.coverage import unreadable_share
from mlctl_ray.data.tokenizer import TextTokenizer, load_tokenizer, train_unigram
from mlctl_ray.errors import InputError

CORPUS = [
    "The judge sells pears in the kitchen, doesn't she?",
    "Nobody said that yesterday: maybe they know nothing.",
    "Der Richter verkauft Birnen in der Küche.",
    "法官在厨房出售梨子。",
    "ผู้พิพากษาขายลูกแพร์ในครัว",
    "न्यायाधीश रसोई में नाशपाती बेचता है",
] * 3
KEEP = ("yes", "maybe", "no")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module")
def unigram() -> TextTokenizer:
    return train_unigram(CORPUS, vocabulary=200, keep=KEEP)


@pytest.fixture(scope="module")
def byt5() -> TextTokenizer:
    return TextTokenizer(ByT5Tokenizer())


@pytest.fixture(scope="module")
def t5() -> TextTokenizer:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁cat", -3.0)]
    pieces += [(letter, -4.0) for letter in "acst"]
    return TextTokenizer(T5Tokenizer(vocab=pieces))


def test_special_pieces_are_those_of_t5(unigram: TextTokenizer) -> None:
    assert (unigram.pad_id, unigram.eos_id, unigram.unk_id) == (0, 1, 2)
    assert len(unigram.sentinels) == 100
    assert unigram.sentinels == tuple(range(unigram.size - 100, unigram.size))
    assert unigram.size <= 300
    assert unigram.hf.convert_ids_to_tokens(unigram.sentinels[7]) == "<extra_id_7>"


def test_offsets_cut_the_words_out_of_the_text(unigram: TextTokenizer) -> None:
    text = "  The  kitchen\n\nmaybe 厨房 "
    encoded = unigram.encode([text], 64)[0]
    assert encoded.ids[-1] == unigram.eos_id
    assert encoded.offsets[-1] == (len(text), len(text))
    covered = "".join(text[start:end] for start, end in encoded.offsets)
    assert covered == "Thekitchenmaybe厨房"
    maybe = text.index("maybe")
    assert (maybe, maybe + 5) == encoded.offsets[encoded.ids.index(unigram.piece_of("maybe", "x"))]


def test_offsets_point_into_the_text_before_normalisation(unigram: TextTokenizer) -> None:
    # NFKC makes two letters of the ligature and one of the letter with a combining mark.
    text = "ﬁ the Ku\u0308che"
    encoded = unigram.encode([text], 64)[0]
    covered = {position for start, end in encoded.offsets for position in range(start, end)}
    letters = {i for i, character in enumerate(text) if unicodedata.category(character)[0] == "L"}
    assert letters <= covered
    assert not any(text[i].isspace() for i in covered)


def test_lone_space_marker_has_an_empty_offset(t5: TextTokenizer) -> None:
    encoded = t5.encode(["cat sat"], 16)[0]
    assert t5.hf.convert_ids_to_tokens(encoded.ids) == ["▁cat", "▁", "s", "a", "t", "</s>"]
    assert encoded.offsets == [(0, 3), (4, 4), (4, 5), (5, 6), (6, 7), (7, 7)]


@settings(max_examples=60, deadline=None)
@given(text=TEXT, max_length=st.integers(1, 30))
def test_fast_offsets_are_ordered_trimmed_and_cut(text: str, max_length: int) -> None:
    tokenizer = _cached_unigram()
    encoded = tokenizer.encode([text], max_length)[0]
    whole = tokenizer.encode([text], 1000)[0]
    assert len(encoded.ids) == len(encoded.offsets) == min(len(whole.ids), max_length)
    assert encoded.ids[:-1] == whole.ids[: len(encoded.ids) - 1]
    assert encoded.ids[-1] == tokenizer.eos_id
    for start, end in encoded.offsets:
        assert 0 <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()


@settings(max_examples=80, deadline=None)
@given(text=TEXT, max_length=st.integers(1, 50))
def test_byt5_pieces_are_the_bytes_of_their_characters(text: str, max_length: int) -> None:
    encoded = TextTokenizer(ByT5Tokenizer()).encode([text], max_length)[0]
    data = text.encode()[: max_length - 1]
    assert encoded.ids == [byte + 3 for byte in data] + [1]
    assert encoded.offsets[-1] == (len(text), len(text))
    for position, (start, end) in enumerate(encoded.offsets[:-1]):
        assert end == start + 1
        first = len(text[:start].encode())
        assert first <= position < first + len(text[start].encode())


def test_byt5_agrees_with_transformers(byt5: TextTokenizer) -> None:
    for text in CORPUS[:6]:
        assert byt5.encode([text], 1000)[0].ids == byt5.hf(text).input_ids
    assert byt5.unk_id is None
    assert byt5.size == 384
    assert len(byt5.sentinels) == 125


def test_fast_ids_agree_with_transformers(unigram: TextTokenizer, t5: TextTokenizer) -> None:
    for tokenizer in (unigram, t5):
        for text in [*CORPUS[:6], "", "cats sat"]:
            assert tokenizer.encode([text], 1000)[0].ids == tokenizer.hf(text).input_ids


def test_every_character_of_the_corpus_is_known(unigram: TextTokenizer) -> None:
    assert unreadable_share(unigram, CORPUS) == 0.0
    for character in {c for text in CORPUS for c in text if not c.isspace()}:
        assert unigram.unk_id not in unigram.encode([character], 8)[0].ids


def test_kept_words_are_one_piece(unigram: TextTokenizer) -> None:
    assert len({unigram.piece_of(word, "f") for word in KEEP}) == 3
    # The piece of "no" must not tear apart words that begin with it and are pieces themselves.
    sentence = unigram.encode(["no, maybe yes"], 32)[0].ids
    assert {unigram.piece_of(word, "f") for word in KEEP[1:]} <= set(sentence)


def test_piece_of_names_field_word_and_pieces(unigram: TextTokenizer, byt5: TextTokenizer) -> None:
    with pytest.raises(InputError, match=r"model\.verbalisers\.0: 'yesterdayish' .*pieces \["):
        unigram.piece_of("yesterdayish", "model.verbalisers.0")
    with pytest.raises(InputError, match=r"field: 'Ω' .*<unk>"):
        unigram.piece_of("Ω", "field")
    with pytest.raises(InputError, match=r"field: 'no' .*\['n', 'o'\]"):
        byt5.piece_of("no", "field")
    assert byt5.piece_of("n", "field") == ord("n") + 3


def test_kept_words_with_spaces_are_refused() -> None:
    with pytest.raises(InputError, match=r"model\.verbalisers: 'not sure'"):
        train_unigram(CORPUS, vocabulary=200, keep=["not sure"])


def test_a_vocabulary_below_the_characters_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.scratch\.vocabulary: 64 .* needs at least \d+"):
        train_unigram(CORPUS, vocabulary=64)
    with pytest.raises(InputError, match="no character"):
        train_unigram(["", " \n"], vocabulary=64)


def test_least_vocabulary_of_the_message_is_enough() -> None:
    with pytest.raises(InputError) as refusal:
        train_unigram(CORPUS, vocabulary=64, keep=KEEP)
    least = int(str(refusal.value).rsplit(" ", 1)[1])
    tokenizer = train_unigram(CORPUS, vocabulary=least, keep=KEEP)
    assert tokenizer.size <= least + 100
    assert unreadable_share(tokenizer, CORPUS) == 0.0


def test_training_is_the_same_in_another_process_and_order() -> None:
    code = (
        "import json, sys; from mlctl_ray.data.tokenizer import train_unigram;"
        "texts, keep = json.load(sys.stdin);"
        "print(train_unigram(texts, vocabulary=200, keep=keep).fingerprint)"
    )
    texts = json.dumps([CORPUS[::-1], KEEP])
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "3"}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, input=texts, env=environment
    )
    assert done.stdout.strip() == _cached_unigram().fingerprint


def test_fingerprint_tells_tokenizers_apart(
    unigram: TextTokenizer, t5: TextTokenizer, byt5: TextTokenizer
) -> None:
    other = train_unigram(CORPUS, vocabulary=200, keep=KEEP[:2])
    prints = {unigram.fingerprint, other.fingerprint, t5.fingerprint, byt5.fingerprint}
    assert len(prints) == 4


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("with_config", [False, True])
@pytest.mark.parametrize("kind", ["unigram", "t5", "byt5"])
def test_saving_and_loading_keeps_everything(
    kind: str, with_config: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tokenizer: TextTokenizer = request.getfixturevalue(kind)
    tokenizer.save(tmp_path)
    if with_config:  # a checkpoint's folder: AutoTokenizer also looks at the model's type
        T5Config(vocab_size=tokenizer.size).save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.encode(CORPUS, 20) == tokenizer.encode(CORPUS, 20)
    assert (loaded.size, loaded.sentinels) == (tokenizer.size, tokenizer.sentinels)
    ids = ("pad_id", "eos_id", "unk_id")
    assert [getattr(loaded, i) for i in ids] == [getattr(tokenizer, i) for i in ids]
    loaded.save(tmp_path / "again")
    assert load_tokenizer(str(tmp_path / "again")).fingerprint == tokenizer.fingerprint


def test_truncation_stored_with_a_tokenizer_is_of_no_effect(
    unigram: TextTokenizer, tmp_path: Path
) -> None:
    unigram.save(tmp_path)
    stored = load_tokenizer(str(tmp_path)).hf.backend_tokenizer
    stored.enable_truncation(4)
    stored.enable_padding(length=50)
    stored.save(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(str(tmp_path)).encode(CORPUS, 99) == unigram.encode(CORPUS, 99)


@pytest.mark.usefixtures("no_network")
def test_folders_without_a_tokenizer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.name: .*holds no tokenizer"):
        load_tokenizer(str(tmp_path))
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"model\.name: cannot load") as refusal:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(refusal.value)
    for name in (str(tmp_path / "absent"), "./absent/deep", "~/absent-model/x"):
        with pytest.raises(InputError, match="does not exist"):
            load_tokenizer(name)


def test_tokenizers_without_offsets_are_refused() -> None:
    from transformers import CanineTokenizer

    with pytest.raises(InputError, match="CanineTokenizer gives no character offsets"):
        TextTokenizer(CanineTokenizer(), "canine")


def test_unreadable_share_counts_characters(t5: TextTokenizer, byt5: TextTokenizer) -> None:
    assert unreadable_share(t5, ["cat"]) == 0.0
    assert unreadable_share(t5, ["cat Ωμ"]) == pytest.approx(2 / 5)
    assert unreadable_share(t5, ["Ωμ Ω", "cat"]) == pytest.approx(3 / 6)
    assert unreadable_share(t5, ["cat " * 200 + "Ω"]) == pytest.approx(1 / 601)
    assert unreadable_share(t5, ["", "  "]) == 0.0
    assert unreadable_share(byt5, ["Ω 法官"]) == 0.0


_UNIGRAM: list[TextTokenizer] = []


def _cached_unigram() -> TextTokenizer:
    if not _UNIGRAM:
        _UNIGRAM.append(train_unigram(CORPUS, vocabulary=200, keep=KEEP))
    return _UNIGRAM[0]
