"""What is evaluated: NLI of every language, the pair matrix's examples, retrieval pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..config import DataConfig
from ..data.coverage import unreadable_share
from ..data.examples import NliExample
from ..data.ragged import RaggedArray, ragged_from_rows
from ..data.sources import load_nli, load_retrieval
from ..data.tables import NliTable, build_nli_table
from ..data.tokenizer import TextTokenizer
from ..errors import InputError
from ..model import Prompt

Split = Literal["validation", "test"]


@dataclass(frozen=True, slots=True)
class PairCells:
    """Aligned examples with the premise in one language and the hypothesis in another.

    The table holds the cells one after the other, `examples` rows each, in the order of `cells`.
    """

    cells: tuple[tuple[str, str], ...]
    examples: int
    table: NliTable


@dataclass(frozen=True, slots=True)
class RetrievalPairs:
    """Parallel sentences of one target language, tokenised."""

    source: RaggedArray
    target: RaggedArray


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """A split, tokenised: NLI of all languages in one table, language after language."""

    split: Split
    task: str
    source: str
    languages: tuple[str, ...]
    counts: tuple[int, ...]
    table: NliTable
    pairs: PairCells | None
    retrieval: Mapping[str, RetrievalPairs]
    unreadable: Mapping[str, float]


def load_evaluation_data(
    config: DataConfig,
    tokenizer: TextTokenizer,
    prompt: Prompt,
    split: Split,
    *,
    task: str,
    pair_matrix_size: int,
) -> EvaluationData:
    """Read and tokenise everything that one split's evaluation needs.

    Raises:
        InputError: a source cannot be read, or the languages' rows are not aligned although a
            pair matrix is asked for.
    """
    nli, cache = config.nli, Path(config.cache).expanduser()
    examples = {
        language: load_nli(nli, language, split, seed=config.seed) for language in nli.languages
    }
    flat = [example for rows in examples.values() for example in rows]
    table = build_nli_table(flat, tokenizer, prompt, config.max_length, cache)
    unreadable = {
        language: unreadable_share(
            tokenizer, [text for row in rows for text in (row.premise, row.hypothesis)]
        )
        for language, rows in examples.items()
    }
    return EvaluationData(
        split=split,
        task=task,
        source=nli.source,
        languages=nli.languages,
        counts=tuple(len(rows) for rows in examples.values()),
        table=table,
        pairs=_pair_cells(config, pair_matrix_size, examples, tokenizer, prompt),
        retrieval=_retrieval(config, tokenizer),
        unreadable=unreadable,
    )


def _pair_cells(
    config: DataConfig,
    size: int,
    examples: Mapping[str, Sequence[NliExample]],
    tokenizer: TextTokenizer,
    prompt: Prompt,
) -> PairCells | None:
    if size == 0 or len(examples) < 2:
        return None
    first = config.nli.source
    for language, rows in examples.items():
        if [(r.example_id, r.label) for r in rows] != [
            (r.example_id, r.label) for r in examples[first]
        ]:
            raise InputError(
                f"evaluation.pair_matrix_size: {size}: rows of {language!r} are not aligned with "
                f"those of {first!r}; allowed for such data: 0"
            )
    count = len(examples[first])
    # The sample is a function of the data's seed alone, so that every trial scores the same cells.
    sample = np.random.default_rng([config.seed, count]).permutation(count)[:size]
    cells = tuple((a, b) for a in examples for b in examples)
    crossed = [
        NliExample(
            examples[a][i].example_id,
            examples[a][i].premise,
            examples[b][i].hypothesis,
            examples[a][i].label,
        )
        for a, b in cells
        for i in sorted(sample)
    ]
    cache = Path(config.cache).expanduser()
    table = build_nli_table(crossed, tokenizer, prompt, config.max_length, cache)
    return PairCells(cells, len(sample), table)


def _retrieval(config: DataConfig, tokenizer: TextTokenizer) -> dict[str, RetrievalPairs]:
    if config.retrieval is None:
        return {}
    result = {}
    for language in config.nli.targets:
        pairs = load_retrieval(config, language)
        sides = ([p.source for p in pairs], [p.target for p in pairs])
        source, target = (
            ragged_from_rows([e.ids for e in tokenizer.encode(texts, config.max_length)])
            for texts in sides
        )
        result[language] = RetrievalPairs(source, target)
    return result
