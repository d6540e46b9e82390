from __future__ import annotations

from pathlib import Path

import pytest

from mlctl_ray.config.data import DataConfig, NliSource, ParallelSource, RetrievalSource
from mlctl_ray.data.lexicon import load_lexicon, missing_lexicons
from mlctl_ray.data.sources import check_sources, load_nli, load_parallel, load_retrieval
from mlctl_ray.data.words import align_words

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(scope="module")
def config(shared_data: Path) -> DataConfig:
    return DataConfig(
        nli=NliSource(
            path=str(shared_data / "xnli"), languages=("en", "de", "fr", "zh", "th", "ar", "sw")
        ),
        parallel=ParallelSource(path=str(shared_data / "opus-100"), size=1500),
        retrieval=RetrievalSource(path=str(shared_data / "tatoeba"), size=None),
        lexicon=str(shared_data / "lexicons"),
        alignment="lexicon",
    )


def test_the_check_passes_and_names_the_language_without_lexicon(config: DataConfig) -> None:
    check_sources(config)
    assert missing_lexicons(config) == ("sw",)
    assert load_lexicon(config, "sw") is None


def test_xnli_rows_are_aligned(config: DataConfig) -> None:
    rows = {x: load_nli(config.nli, x, "test", seed=0) for x in ("en", "de", "zh", "th", "sw")}
    keys = {x: [(e.example_id, e.label) for e in examples] for x, examples in rows.items()}
    assert len(keys["en"]) == 5010
    assert all(value == keys["en"] for value in keys.values())
    assert {label for _, label in keys["en"]} == {0, 1, 2}


@pytest.mark.parametrize("language", ["fr", "ar"])  # en-fr and ar-en
def test_pairs_have_english_on_the_source_side(config: DataConfig, language: str) -> None:
    for pairs in (load_parallel(config, language), load_retrieval(config, language)):
        english = sum(" the " in f" {pair.source.lower()} " for pair in pairs)
        foreign = sum(" the " in f" {pair.target.lower()} " for pair in pairs)
        assert english > 0.1 * len(pairs)
        assert foreign < 0.02 * len(pairs)


@pytest.mark.parametrize(("language", "least"), [("de", 0.8), ("zh", 0.5), ("th", 0.7)])
def test_most_pairs_have_an_aligned_word(config: DataConfig, language: str, least: float) -> None:
    lexicon = load_lexicon(config, language)
    assert lexicon is not None
    pairs = load_parallel(config, language)
    aligned = [align_words(pair.source, pair.target, lexicon) for pair in pairs]
    share = sum(map(bool, aligned)) / len(pairs)
    print(f"{language}: {share:.3f} of {len(pairs)} pairs, {sum(map(len, aligned))} words")
    assert share > least
