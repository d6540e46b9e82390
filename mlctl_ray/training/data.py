"""What training reads: the tokenizer, the tables, and the code-switched views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ..config import DataConfig, RunConfig, TextFormat
from ..data.alignment_cache import aligned_pairs
from ..data.cache import content_key, open_or_build
from ..data.examples import NliExample, ParallelPair, WordAlignment
from ..data.lexicon import Lexicon, load_lexicon
from ..data.sources import load_nli, load_parallel
from ..data.tables import NliTable, ParallelTable, build_nli_table, build_parallel_table
from ..data.tokenizer import TextTokenizer, load_tokenizer, train_unigram
from ..data.views import SwitchedViews
from ..errors import InputError
from ..model import Prompt, make_prompt, verbaliser_ids


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Everything that the step loop reads; nothing of it depends on the run's seed."""

    tokenizer: TextTokenizer
    prompt: Prompt
    label_ids: tuple[int, int, int]
    nli: NliTable
    examples: tuple[NliExample, ...]
    lexicons: tuple[Lexicon, ...]
    parallel: ParallelTable | None

    def views(self, config: RunConfig) -> SwitchedViews:
        """Code-switched views of the source examples for one run."""
        return SwitchedViews(
            self.examples,
            self.lexicons,
            self.tokenizer,
            self.prompt,
            config.data.code_switch_rate,
            config.data.max_length,
            config.seed,
        )

    def check_batches(self, config: RunConfig) -> None:
        """Refuse batches larger than the data.

        Raises:
            InputError: names the field, its value and the rows that there are.
        """
        sizes = [("optimisation", config.optimisation.batch_size, len(self.nli.labels), "examples")]
        if self.parallel is not None:
            pairs = len(self.parallel.source_groups)
            sizes.append(("objective", config.objective.batch_size, pairs, "sentence pairs"))
        for section, size, rows, what in sizes:
            if size > rows:
                raise InputError(
                    f"{section}.batch_size: {size} is more than the {rows} training {what}"
                )


def load_training_data(data: DataConfig, text: TextFormat) -> TrainingData:
    """Read, align and tokenise; the costly parts are cached by content on this machine.

    Raises:
        InputError: a source cannot be read, or a verbaliser is not one piece.
    """
    examples = load_nli(data.nli, data.nli.source, "train", seed=data.seed)
    pairs = [pair for name in data.parallel_languages for pair in load_parallel(data, name)]
    prompt = make_prompt(text)
    cache = Path(data.cache).expanduser()
    tokenizer = _open_tokenizer(text, examples, pairs, cache)
    parallel = None
    if pairs:
        alignments = _alignments(data, pairs, cache)
        parallel = build_parallel_table(pairs, alignments, tokenizer, data.max_length, cache)
    found = (load_lexicon(data, language) for language in data.nli.targets)
    return TrainingData(
        tokenizer=tokenizer,
        prompt=prompt,
        label_ids=verbaliser_ids(text, tokenizer),
        nli=build_nli_table(examples, tokenizer, prompt, data.max_length, cache),
        examples=examples,
        lexicons=tuple(lexicon for lexicon in found if lexicon is not None),
        parallel=parallel,
    )


def _open_tokenizer(
    text: TextFormat,
    examples: Sequence[NliExample],
    pairs: Sequence[ParallelPair],
    cache: Path,
) -> TextTokenizer:
    """The checkpoint's tokenizer, or one trained once on the training corpora."""
    if text.name is not None:
        return load_tokenizer(text.name)
    assert text.vocabulary is not None  # guaranteed by ModelConfig
    size, keep, prompt = text.vocabulary, text.verbalisers, make_prompt(text)
    corpus = [prompt(e.premise, e.hypothesis) for e in examples]
    corpus += [side for pair in pairs for side in (pair.source, pair.target)]
    folder = open_or_build(
        cache,
        content_key("unigram", size, *keep, *corpus),
        lambda path: train_unigram(corpus, vocabulary=size, keep=keep).save(path),
    )
    return load_tokenizer(str(folder))


def _alignments(
    data: DataConfig, pairs: Sequence[ParallelPair], cache: Path
) -> list[tuple[WordAlignment, ...]]:
    if data.alignment == "gold":
        return [pair.alignments for pair in pairs]
    aligned: list[tuple[WordAlignment, ...]] = []
    for language, group in groupby(pairs, key=lambda pair: pair.language):
        rows = tuple(group)
        lexicon = load_lexicon(data, language) if data.alignment == "lexicon" else None
        aligned += [() for _ in rows] if lexicon is None else aligned_pairs(rows, lexicon, cache)
    return aligned
