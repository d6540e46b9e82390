from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest

from mlctl_ray.config.data import DataConfig, NliSource, ParallelSource, RetrievalSource
from mlctl_ray.data.examples import NliExample, ParallelPair
from mlctl_ray.data.sources import (
    EMBEDDED_NLI_SIZES,
    EMBEDDED_PARALLEL_SIZE,
    EMBEDDED_RETRIEVAL_SIZE,
    check_sources,
    load_nli,
    load_parallel,
    load_retrieval,
)
from mlctl_ray.errors import InputError

pytestmark = pytest.mark.usefixtures("no_network")


def nli_rows(language: str, labels: list[Any]) -> list[dict[str, Any]]:
    return [
        {"premise": f"{language} p{i}", "hypothesis": f"{language} h{i}", "label": label}
        for i, label in enumerate(labels)
    ]


def pair_rows(source: str, target: str, count: int = 3) -> list[dict[str, Any]]:
    return [
        {"translation": {source: f"{source} {i}", target: f"{target} {i}"}} for i in range(count)
    ]


@pytest.fixture
def config(write_hub: Any, tmp_path: Path) -> DataConfig:
    """Two target languages, in both orders of OPUS-100 and Tatoeba, a lexicon for one."""
    evaluation = {s: nli_rows("de", [0, 1, 2, -1]) for s in ("validation", "test")}
    nli = write_hub(
        "xnli",
        {
            "en": {s: nli_rows("en", [2, -1, 0, 1, 1]) for s in ("train", "validation", "test")},
            "de": evaluation,
            "ar": evaluation,
        },
    )
    parallel = write_hub(
        "opus",
        {"en-de": {"train": pair_rows("en", "de")}, "ar-en": {"train": pair_rows("ar", "en")}},
    )
    tatoeba = write_hub(
        "tatoeba",
        {
            "de-en": {"test": [{"sentence1": f"de {i}", "sentence2": f"en {i}"} for i in range(4)]},
            "en-ar": {"test": [{"sentence1": f"en {i}", "sentence2": f"ar {i}"} for i in range(4)]},
        },
    )
    (tmp_path / "lexicons").mkdir()
    (tmp_path / "lexicons" / "en-de.txt").write_text("dog\thund\n")
    return DataConfig(
        nli=NliSource(path=str(nli), languages=("en", "de", "ar")),
        parallel=ParallelSource(path=str(parallel)),
        retrieval=RetrievalSource(path=str(tatoeba), size=3),
        lexicon=str(tmp_path / "lexicons"),
        alignment="lexicon",
    )


def change(config: DataConfig, part: str, **values: Any) -> DataConfig:
    section = getattr(config, part).model_copy(update=values)
    return config.model_copy(update={part: section})


def test_nli_keeps_the_row_number_as_id(config: DataConfig) -> None:
    assert load_nli(config.nli, "en", "train", seed=0) == (
        NliExample("0", "en p0", "en h0", 2),
        NliExample("2", "en p2", "en h2", 0),
        NliExample("3", "en p3", "en h3", 1),
        NliExample("4", "en p4", "en h4", 1),
    )
    small = change(config, "nli", train_size=3, evaluation_size=2).nli
    assert [e.example_id for e in load_nli(small, "en", "train", seed=0)] == ["0", "2"]
    assert [e.example_id for e in load_nli(small, "de", "test", seed=0)] == ["0", "1"]


def test_nli_splits_and_columns_can_be_renamed(write_hub: Any) -> None:
    rows = [{"a": "p", "b": "h", "gold": 1}]
    folder = write_hub("renamed", {"en": {"matched": rows}})
    config = NliSource(
        path=str(folder), languages=("en",), validation_split="matched",
        premise_column="a", hypothesis_column="b", label_column="gold",
    )  # fmt: skip
    assert load_nli(config, "en", "validation", seed=0) == (NliExample("0", "p", "h", 1),)


def test_parallel_pairs_in_both_orders(config: DataConfig) -> None:
    assert load_parallel(config, "de")[1] == ParallelPair("en 1", "de 1", "de")
    assert load_parallel(config, "ar")[1] == ParallelPair("en 1", "ar 1", "ar")


def test_retrieval_pairs_in_both_orders(config: DataConfig) -> None:
    assert load_retrieval(config, "de") == tuple(
        ParallelPair(f"en {i}", f"de {i}", "de") for i in range(3)
    )
    assert load_retrieval(config, "ar")[2] == ParallelPair("en 2", "ar 2", "ar")
    from_translations = config.model_copy(
        update={"retrieval": RetrievalSource(path=str(config.parallel.path), split="train")}
    )
    assert load_retrieval(from_translations, "ar")[0] == ParallelPair("en 0", "ar 0", "ar")


def test_pairs_with_an_empty_side_do_not_count(config: DataConfig, write_hub: Any) -> None:
    rows = pair_rows("en", "de", 6)
    rows[0]["translation"]["de"] = " "
    rows[2]["translation"]["en"] = None
    folder = write_hub("holes", {"de-en": {"train": rows}})
    holes = change(config, "parallel", path=str(folder), size=3)
    assert [pair.source for pair in load_parallel(holes, "de")] == ["en 1", "en 3", "en 4"]
    empty = write_hub("empty", {"de-en": {"train": rows[:1]}})
    with pytest.raises(InputError, match=r"data\.parallel\.split: .*no pair"):
        load_parallel(change(config, "parallel", path=str(empty)), "de")


def test_a_complete_configuration_passes_the_check(config: DataConfig, capfd: Any) -> None:
    bars = datasets.are_progress_bars_disabled()
    check_sources(config)
    load_parallel(config, "de")
    assert capfd.readouterr() == ("", "")
    assert datasets.are_progress_bars_disabled() == bars


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("nli", {"path": "./absent"}, r"data\.nli\.path: './absent' does not exist"),
        ("parallel", {"path": "/absent/x"}, r"data\.parallel\.path: '/absent/x' does not exist"),
        ("retrieval", {"path": "~/absent-x"}, r"data\.retrieval\.path: .* does not exist"),
        (
            "nli",
            {"languages": ("en", "xx")},
            r"data\.nli\.languages: .* no configuration 'xx'; it has en, de, ar",
        ),
        (
            "retrieval",
            {"path": "XNLI"},
            r"data\.nli\.languages: .* 'en-de' or 'de-en'; it has en, d",
        ),
        (
            "parallel",
            {"languages": ("sw",)},
            r"data\.parallel\.languages: .* 'en-sw' or 'sw-en'; it has en-de, ar-en",
        ),
        ("nli", {"train_split": "fit"}, r"data\.nli\.train_split: .* it has train, valid.*, test"),
        ("nli", {"test_split": "dev"}, r"data\.nli\.test_split: .* no split 'dev' in 'en'; it has"),
        ("parallel", {"split": "test"}, r"data\.parallel\.split: .* it has train$"),
        ("retrieval", {"split": "train"}, r"data\.retrieval\.split: .* it has test$"),
        (
            "nli",
            {"hypothesis_column": "text"},
            r"data\.nli\.hypothesis_column: .* no column 'text'; it has premise, hypothesis, label",
        ),
    ],
)
def test_what_is_missing_is_named_and_listed(
    config: DataConfig, part: str, values: dict[str, Any], message: str
) -> None:
    if values.get("path") == "XNLI":  # the layout of another kind of data
        values = {"path": config.nli.path}
    with pytest.raises(InputError, match=message) as refusal:
        check_sources(change(config, part, **values))
    assert "\n" not in str(refusal.value)


def test_loading_refuses_what_the_check_refuses(config: DataConfig) -> None:
    with pytest.raises(InputError, match=r"data\.nli\.train_split"):
        load_nli(change(config, "nli", train_split="fit").nli, "en", "train", seed=0)
    with pytest.raises(InputError, match=r"data\.nli\.label_column"):
        load_nli(change(config, "nli", label_column="gold").nli, "en", "train", seed=0)
    with pytest.raises(InputError, match=r"data\.parallel\.split"):
        load_parallel(change(config, "parallel", split="test"), "de")
    for part in ("parallel", "retrieval"):
        load = load_parallel if part == "parallel" else load_retrieval
        with pytest.raises(InputError, match=rf"data\.{part}: is not set"):
            load(config.model_copy(update={part: None}), "de")


@pytest.mark.parametrize("label", [3, -2, 0.5, "entailment", True])
def test_other_labels_are_refused(config: DataConfig, write_hub: Any, label: Any) -> None:
    folder = write_hub("labels", {"en": {"train": nli_rows("en", [label])}})
    with pytest.raises(InputError, match=r"data\.nli\.label_column: row 0 .* allowed: 0"):
        load_nli(change(config, "nli", path=str(folder)).nli, "en", "train", seed=0)


def test_splits_without_rows_or_labels_are_refused(config: DataConfig, write_hub: Any) -> None:
    folder = write_hub("unlabelled", {"en": {"train": nli_rows("en", [-1, -1])}})
    with pytest.raises(InputError, match=r"data\.nli\.train_split: .*no row with a label"):
        load_nli(change(config, "nli", path=str(folder)).nli, "en", "train", seed=0)
    (folder / "en" / "none.csv").write_text("premise,hypothesis,label\n")
    readme = (folder / "README.md").read_text()
    (folder / "README.md").write_text(readme.replace("train-00000-of-00001.parquet", "none.csv"))
    none = change(config, "nli", path=str(folder), languages=("en",))
    with pytest.raises(InputError, match=r"data\.nli\.train_split: .*holds no row$"):
        load_nli(none.nli, "en", "train", seed=0)
    with pytest.raises(InputError, match=r"data\.nli\.train_split: .*holds no row$"):
        check_sources(none)
    folder = write_hub("no-rows", {"en": {"train": []}})
    with pytest.raises(InputError, match=r"data\.nli\.path: .*a parquet file holds no row"):
        load_nli(change(config, "nli", path=str(folder)).nli, "en", "train", seed=0)


def test_pairs_without_their_columns_are_refused(config: DataConfig, write_hub: Any) -> None:
    folder = write_hub("columns", {"de-en": {"train": [{"en": "a", "de": "b"}]}})
    with pytest.raises(InputError, match=r"data\.parallel\.path: .*'translation'.* it has en, de"):
        load_parallel(change(config, "parallel", path=str(folder)), "de")
    folder = write_hub("keys", {"de-en": {"train": [{"translation": {"eng": "a", "de": "b"}}]}})
    with pytest.raises(InputError, match=r"must hold 'en' and 'de'"):
        check_sources(change(config, "parallel", path=str(folder), languages=("de",)))


def test_damaged_files_give_one_line(config: DataConfig, write_hub: Any) -> None:
    folder = write_hub("damaged", {"en": {"train": nli_rows("en", [0])}})
    (folder / "en" / "train-00000-of-00001.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"data\.nli\.path: cannot read") as refusal:
        load_nli(change(config, "nli", path=str(folder)).nli, "en", "train", seed=0)
    assert "\n" not in str(refusal.value)


def test_a_hub_id_without_network_gives_one_line() -> None:
    code = (
        "from mlctl_ray.config.data import NliSource; from mlctl_ray.data.sources import load_nli;"
        "from mlctl_ray.errors import InputError\n"
        "try: load_nli(NliSource(path='nobody/no-such-data'), 'en', 'train', seed=0)\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.stdout.startswith("data.nli.path: cannot read 'nobody/no-such-data' (")
    assert done.stdout.count("\n") == 1
    assert "a hub id that can be reached" in done.stdout


def test_lexicons_are_checked_last(config: DataConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.lexicon: the folder"):
        check_sources(config.model_copy(update={"lexicon": str(tmp_path / "none")}))


def test_embedded_sizes_and_splits() -> None:
    config = DataConfig(retrieval=RetrievalSource(size=None))
    check_sources(config)
    for role, size in EMBEDDED_NLI_SIZES.items():
        assert len(load_nli(config.nli, "en", role, seed=0)) == size
    assert len(load_parallel(config, "de")) == EMBEDDED_PARALLEL_SIZE
    assert all(pair.alignments for pair in load_parallel(config, "de"))
    assert len(load_retrieval(config, "de")) == EMBEDDED_RETRIEVAL_SIZE
    trained = {pair.source for pair in load_parallel(config, "zh")}
    assert not trained & {pair.source for pair in load_retrieval(config, "zh")}
    assert load_nli(config.nli, "en", "test", seed=1) != load_nli(config.nli, "en", "test", seed=0)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("nli", {"languages": ("en", "sw")}, r"data\.nli: .*'sw'"),
        ("nli", {"train_split": "fit"}, r"data\.nli: .*'fit'"),
        ("nli", {"train_size": 10**9}, r"data\.nli: .*1000000000"),
        ("nli", {"source": "de"}, r"data\.parallel\.path: 'embedded' has pairs with 'en' alone"),
        ("parallel", {"split": "test"}, r"data\.parallel: .*'test'"),
        ("retrieval", {"size": 10**9}, r"data\.retrieval: .*1000000000"),
    ],
)
def test_embedded_limits(part: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_sources(change(DataConfig(), part, **values))
