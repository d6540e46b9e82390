"""Reader of the tracking store for reports: frozen records of studies."""

from __future__ import annotations

import difflib
import tempfile
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from mlctl_ray.errors import InputError

from .client import connect, store_errors
from .convert import record_of
from .queries import child_runs, study_runs
from .records import Role, RunRecord, StudyRecord
from .uri import check_reachable, redacted, resolve_uri, sqlite_path


class StudyReader:
    """Reads studies, also while they run; writes nothing.

    Raises InputError when the store is unreachable or does not exist.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = resolve_uri(uri)
        check_reachable(self.uri)
        path = sqlite_path(self.uri)
        if path and not path.exists():
            raise InputError(
                f"tracking uri: {str(path)!r} does not exist; run a study first or set "
                "MLFLOW_TRACKING_URI"
            )
        self._client = connect(self.uri)
        self._downloaded: dict[tuple[str, str], Path] = {}

    def studies(self) -> tuple[str, ...]:
        """Names of all studies, the one started last first."""
        with store_errors("search studies"):
            experiments = self._experiments()
            runs = study_runs(self._client, list(experiments))
        return tuple(dict.fromkeys(experiments[run.info.experiment_id] for run in runs))

    def read(self, name: str | None = None) -> StudyRecord:
        """The newest study, or the newest of that name, with all its runs.

        Raises InputError for an unknown name, with the nearest one, and for an empty store.
        """
        with store_errors("read the study"):
            experiments = self._experiments()
            if name is not None:
                experiments = {id_: n for id_, n in experiments.items() if n == name}
            newest = study_runs(self._client, list(experiments), limit=1)
            if not newest:
                raise self._unknown(name)
            study = newest[0]
            children = [record_of(run) for run in child_runs(self._client, study.info.run_id)]
        children.reverse()
        return StudyRecord(
            name=experiments[study.info.experiment_id],
            uri=redacted(self.uri),
            study=record_of(study),
            trials=tuple(sorted((r for r in children if r.role is Role.TRIAL), key=_by_number)),
            replicates=tuple(
                sorted((r for r in children if r.role is Role.REPLICATE), key=_by_seed)
            ),
        )

    def artifact(self, run_id: str, path: str) -> Path | None:
        """Local path of an artifact (file or folder), None when the run has none of that path.

        Artifacts of a server are downloaded once, into a folder that lives as long as the reader.
        """
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise InputError(f"artifact: {path!r} is not a path below the run's artifacts")
        parent = str(relative.parent) if len(relative.parts) > 1 else None
        with store_errors(f"read artifact {path!r} of run {run_id}"):
            listed = {item.path for item in self._client.list_artifacts(run_id, parent)}
            if str(relative) not in listed:
                return None
            if urlsplit(self._client.get_run(run_id).info.artifact_uri).scheme in {"", "file"}:
                return Path(self._client.download_artifacts(run_id, str(relative)))
            wanted = (run_id, str(relative))
            if wanted not in self._downloaded:
                # A folder each: MLflow drops the parents of a single file.
                target = tempfile.mkdtemp(dir=self._downloads.name)
                self._downloaded[wanted] = Path(self._client.download_artifacts(*wanted, target))
            return self._downloaded[wanted]

    def history(self, run_id: str, key: str) -> tuple[tuple[int, float], ...]:
        """(step, value) of a metric by step; the last value where a step was logged again."""
        with store_errors(f"read metric {key!r} of run {run_id}"):
            points = self._client.get_metric_history(run_id, key)
        last = {point.step: point.value for point in sorted(points, key=lambda p: p.timestamp)}
        return tuple(sorted(last.items()))

    def _experiments(self) -> dict[str, str]:
        """Names of all experiments that were not deleted, by id."""
        found: dict[str, str] = {}
        token: str | None = None
        while True:
            page = self._client.search_experiments(max_results=1000, page_token=token)
            found.update((item.experiment_id, item.name) for item in page)
            token = page.token
            if not token:
                return found

    def _unknown(self, name: str | None) -> InputError:
        known = self.studies()
        where = redacted(self.uri)
        if not known:
            return InputError(f"study: there is none in {where}; run a study first")
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
        return InputError(
            f"study: {name!r} is not in {where}; the nearest of its {len(known)} is {near[0]!r}"
        )

    @cached_property
    def _downloads(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="mlctl-artifacts-")


def _by_number(record: RunRecord) -> tuple[bool, int]:
    return record.number is None, record.number or 0


def _by_seed(record: RunRecord) -> tuple[str, bool, int]:
    return record.variant or "", record.seed is None, record.seed or 0
