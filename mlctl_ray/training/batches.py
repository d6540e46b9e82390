"""The micro-batches of each optimiser step, as a pure function of (seed, step, rank, workers)."""

from __future__ import annotations

from ..config import RunConfig
from ..data.batching import BatchPlan, micro_batches
from ..data.collate import collate_nli, collate_parallel, pad_texts
from ..data.corruption import CorruptedBatch, collate_corrupted
from ..data.ragged import IntArray
from ..data.tables import ParallelTable
from ..evaluation.workers import Workers
from .data import TrainingData
from .embedding import Micro, NliMicro, ParallelMicro
from .schedule import Phase


class StepBatches:
    """Collates this worker's share of every step; nothing needs to be saved to resume."""

    def __init__(self, config: RunConfig, data: TrainingData, workers: Workers) -> None:
        self.config = config
        self.data = data
        self.workers = workers
        self._nli_lengths = data.nli.lengths
        self._nli_plan = BatchPlan(
            self._nli_lengths, config.optimisation.batch_size, seed=config.seed
        )
        if data.parallel is not None:
            self._pair_lengths = data.parallel.lengths
            self._pair_plan = BatchPlan(
                self._pair_lengths, config.objective.batch_size, seed=config.seed
            )
        self._views = data.views(config) if "label" in config.objective.active else None

    def micros(self, step: int, phase: Phase) -> list[Micro]:
        """Micro-batches of one step under the token budget, on this worker's device."""
        micros: list[Micro] = []
        if phase.task:
            rows = self._local(self._nli_plan, step - self.config.align_steps)
            cuts = self._cuts(rows, self._nli_lengths, 2 if phase.label else 1)
            micros += [self._nli(cut, step, phase) for cut in cuts]
        if phase.reads_parallel:
            assert self.data.parallel is not None  # guaranteed by RunConfig
            rows = self._local(self._pair_plan, step)
            cuts = self._cuts(rows, self._pair_lengths, 2)
            micros += [self._parallel(self.data.parallel, cut, step, phase) for cut in cuts]
        return micros

    def _local(self, plan: BatchPlan, step: int) -> IntArray:
        return plan.local_batch(step, self.workers.rank, self.workers.size)

    def _cuts(self, rows: IntArray, lengths: IntArray, sides: int) -> list[IntArray]:
        budget = max(1, self.config.optimisation.token_budget // sides)
        return [rows[cut] for cut in micro_batches(lengths[rows], budget)]

    def _nli(self, rows: IntArray, step: int, phase: Phase) -> NliMicro:
        device, pad = self.workers.device, self.data.tokenizer.pad_id
        batch = collate_nli(self.data.nli, rows, pad).to(device)
        if not phase.label:
            return NliMicro(batch, None)
        assert self._views is not None
        ids, mask = pad_texts(self._views.encode(rows, step), pad)
        return NliMicro(batch, (ids.to(device), mask.to(device)))

    def _parallel(
        self, table: ParallelTable, rows: IntArray, step: int, phase: Phase
    ) -> ParallelMicro:
        batch = collate_parallel(
            table,
            rows,
            self.data.tokenizer.pad_id,
            words_per_pair=self.config.objective.words_per_pair,
            rng_key=(self.config.seed, step),
        )
        corrupted = self._corrupted(table, rows, step) if phase.denoise else ()
        return ParallelMicro(batch.to(self.workers.device), corrupted)

    def _corrupted(
        self, table: ParallelTable, rows: IntArray, step: int
    ) -> tuple[CorruptedBatch, ...]:
        tokenizer, spans = self.data.tokenizer, self.config.objective.span_corruption
        return tuple(
            collate_corrupted(
                side,
                rows,
                tokenizer.pad_id,
                rate=spans.rate,
                mean_length=spans.mean_length,
                sentinels=tokenizer.sentinels,
                eos_id=tokenizer.eos_id,
                rng_key=(self.config.seed, step, number),
            ).to(self.workers.device)
            for number, side in enumerate((table.source_ids, table.target_ids))
        )
