"""The folder of one run: what is kept there, by whom, and what it says of an earlier part."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..config import RunConfig, to_yaml
from ..errors import InputError
from ..evaluation import keys
from ..evaluation.evaluate import Evaluation
from ..evaluation.workers import Workers
from . import generations
from .checkpoint import check_same_run
from .fence import Fence
from .reports import FILE, Report, append_report, merge, read_lines, read_reports
from .storage import partial_path, remove_partials, replace_text, sync

CHECKPOINT = "checkpoint"
"""Name of the checkpoint in a run's folder."""

METRICS = "metrics.json"
"""Name of the last report's metrics; there when the run has ended."""


class RunRecord:
    """What rank 0 keeps of a run; every worker makes the same calls.

    A failure or a claim by another attempt is raised in every worker.

    Attributes:
        device_hours: hours that earlier parts of the run are known to have held devices.

    Raises:
        StorageFailure: every method, where the folder cannot be read or written.
        Superseded: every method, where another attempt has claimed the folder.
    """

    def __init__(self, folder: Path, workers: Workers, fence: Fence) -> None:
        self.folder = folder
        self.workers = workers
        self.fence = fence
        self.device_hours = 0.0
        self._reports: Mapping[int, Report] = {}
        with workers.together():
            fence.check()

    @property
    def checkpoint(self) -> Path:
        """Place of the newest checkpoint."""
        return self.folder / CHECKPOINT

    def find_checkpoint(self) -> Path | None:
        """The checkpoint to go on from, found by rank 0 for all."""
        found = None
        with self.workers.together():
            if self.workers.rank == 0:
                found = generations.find_checkpoint(self.checkpoint)
        first: Path | None = self.workers.gather_objects(found)[0]
        return first

    def begin(self, config: RunConfig, checkpoint: Path | None, *, resume: bool) -> None:
        """Prepare the folder for a run that goes on from `checkpoint`, or from its beginning.

        Reports of an earlier part are kept if the run is resumed and is the same one.
        """
        with self.workers.together():
            if self.workers.rank == 0:
                self._begin(config, checkpoint, resume)
        before = (self._reports, self.device_hours)
        self._reports, self.device_hours = self.workers.gather_objects(before)[0]

    def _begin(self, config: RunConfig, checkpoint: Path | None, resume: bool) -> None:
        with self.fence.writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_partials(self.folder)
            if not resume:
                generations.remove_checkpoints(self.checkpoint)
            if checkpoint is not None or (resume and self._is_same(config)):
                self._recall()
            else:
                self._forget()
            if checkpoint is not None:
                generations.drop_damaged(self.checkpoint, checkpoint)
            replace_text(self.folder / "config.yaml", to_yaml(config), self.fence.token)

    def _recall(self) -> None:
        """Read what an earlier part of this run measured."""
        self._reports = {report.step: report for report in read_reports(self.folder)}
        hours = [r.metrics.get(keys.DEVICE_HOURS, 0.0) for r in read_lines(self.folder)]
        self.device_hours = max([generations.device_hours(self.checkpoint), *hours])

    def _forget(self) -> None:
        """Remove what another run, or an earlier one, left here."""
        for name in (FILE, METRICS):
            (self.folder / name).unlink(missing_ok=True)
        for name in ("predictions", "pairs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _is_same(self, config: RunConfig) -> bool:
        """Whether the folder's reports are of this run, where no checkpoint says so."""
        try:
            check_same_run(self.folder, config)
        except (OSError, InputError):
            return False
        return True

    @property
    def _partial(self) -> Path:
        return partial_path(self.folder / "evaluation", self.fence.token)

    def write(self, evaluation: Evaluation, step: int) -> None:
        """Keep predictions and pair matrix; those of a report that was made before stay."""
        published = step in self._reports
        with self.workers.together():
            if self.workers.rank == 0:
                with self.fence.writing(self.folder):
                    self._write(evaluation, published)

    def _write(self, evaluation: Evaluation, published: bool) -> None:
        try:
            evaluation.write(self._partial)
            for path in sorted(self._partial.rglob("*.parquet")):
                sync(path)
                place = self.folder / path.relative_to(self._partial)
                place.parent.mkdir(exist_ok=True)
                if not (published and place.exists()):
                    path.replace(place)
                    sync(place.parent)
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def keep(self, report: Report) -> Report:
        """Add a report to the folder.

        Returns:
            The step's report on every worker: rank 0's, and of a step that was run before the one
            that was published then.
        """
        with self.workers.together():
            if self.workers.rank == 0:
                with self.fence.writing(self.folder / FILE):
                    append_report(self.folder, report)
        kept: Report = self.workers.gather_objects(merge(self._reports.get(report.step), report))[0]
        return kept

    def end(self, report: Report) -> None:
        """Keep the last report's metrics; from now on the run has ended."""
        with self.workers.together():
            if self.workers.rank == 0:
                file = self.folder / METRICS
                with self.fence.writing(file):
                    text = json.dumps(dict(report.metrics), indent=1, sort_keys=True)
                    replace_text(file, text, self.fence.token)
