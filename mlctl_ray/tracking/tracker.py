"""Writer of the tracking store: one process, the driver of a search, owns it."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from mlctl_ray.errors import InputError

from . import tags as names
from .client import connect, first_line, store_errors
from .convert import STATUS, cut, param_text, record_of, safe_key, state_of
from .environment import git_commit
from .queries import child_runs, study_runs
from .records import Role, RunMissingError, RunRecord, RunState, TrackingError
from .uri import resolve_uri, sqlite_path

T = TypeVar("T")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Tracker:
    """Writes the runs of one experiment, which is created with its first run.

    Raises InputError when the store is unreachable, the name cannot be used or the experiment was
    deleted. Later failures of the store are TrackingError, after MLflow's own retries.
    """

    def __init__(self, uri: str | None, experiment: str) -> None:
        if not experiment.strip() or len(experiment) > names.MAX_EXPERIMENT_NAME:
            raise InputError(
                f"experiment: {experiment[:50]!r} cannot be a name; allowed: 1 to "
                f"{names.MAX_EXPERIMENT_NAME} characters"
            )
        self.uri = resolve_uri(uri)
        self.experiment = experiment
        self._client = connect(self.uri)
        self._last_step: dict[str, int] = {}
        self._marked: set[str] = set()
        self._clock_ms = 0
        self._experiment_id = self._find_experiment()

    def start_study(self, params: Mapping[str, object], tags: Mapping[str, str] = _NOTHING) -> str:
        """Start the parent run of a study, named as the experiment; its run id."""
        return self._start(Role.STUDY, self.experiment, params, tags, {})

    def start_trial(
        self,
        study_run_id: str,
        *,
        number: int,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str] = _NOTHING,
    ) -> str:
        """Start a trial below its study; its run id."""
        own = {names.PARENT: study_run_id, names.TRIAL: str(number)}
        return self._start(Role.TRIAL, name, params, tags, own)

    def start_replicate(
        self,
        study_run_id: str,
        *,
        variant: str,
        seed: int,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str] = _NOTHING,
    ) -> str:
        """Start a replicate of a variant below its study; its run id."""
        own = {names.PARENT: study_run_id, names.VARIANT: variant, names.SEED: str(seed)}
        return self._start(Role.REPLICATE, name, params, tags, own)

    def start_run(
        self, name: str, params: Mapping[str, object], tags: Mapping[str, str] = _NOTHING
    ) -> str:
        """Start a single run outside of any study; its run id."""
        return self._start(Role.RUN, name, params, tags, {})

    def resume(self, run_id: str) -> None:
        """Set a run that ended, or was left behind by a crash, RUNNING again."""
        with store_errors(f"resume run {run_id}"):
            # A kill by hand after this must not read as the end that the run had before.
            self.set_tags(run_id, {names.STATE: RunState.RUNNING.value})
            self._client.update_run(run_id, status=STATUS[RunState.RUNNING])

    def log_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        step: int,
        time_ms: int | None = None,
    ) -> None:
        """Log values of one step, in one request for up to 999 of them.

        `time_ms` is their time in milliseconds since 1970, default now. Logging again with the
        same step, time and values changes nothing.
        A value that is not finite is kept as NaN (MLflow would store infinity as 1.8e308), and the
        first step of the run that has any is named by the tag `mlctl.nonfinite`.
        """
        from mlflow.entities import Metric, RunTag

        # Two logs of one step need two times: MLflow settles a tie by the larger value.
        now = self._now() if time_ms is None else time_ms
        values = {safe_key(key): float(value) for key, value in metrics.items()}
        bad = {key: value for key, value in values.items() if not math.isfinite(value)}
        mark: list[RunTag] = []
        if bad and run_id not in self._marked:
            listed = ", ".join(f"{key}={value}" for key, value in bad.items())
            mark = [RunTag(names.NON_FINITE, cut(f"step {step}: {listed}", names.MAX_TAG))]
        entries = [
            Metric(key, math.nan if key in bad else value, now, step)
            for key, value in values.items()
        ]
        with store_errors(f"log metrics of run {run_id}"):
            for chunk in _chunks(entries, names.METRICS_PER_BATCH):
                self._client.log_batch(run_id, metrics=chunk, tags=mark)
                mark = []
        if bad:
            self._marked.add(run_id)
        self._last_step[run_id] = max(step, self._last_step.get(run_id, step))

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log parameters: text as it is, other values as JSON, long ones cut with a marker.

        TrackingError when one was logged before with another value; MLflow keeps the first.
        """
        from mlflow.entities import Param

        texts = {safe_key(key): param_text(value) for key, value in params.items()}
        entries = [Param(key, text) for key, text in texts.items()]
        with store_errors(f"log parameters of run {run_id}"):
            for chunk in _chunks(entries, names.PARAMS_PER_BATCH):
                self._client.log_batch(run_id, params=chunk)

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Write `text` as the artifact `path`, such as `config.yaml`."""
        with store_errors(f"write artifact {path!r} of run {run_id}"):
            self._client.log_text(run_id, text, path)

    def log_artifacts(self, run_id: str, folder: Path | str, path: str | None = None) -> None:
        """Copy a folder's contents, or a single file, below the artifact folder `path`."""
        source = Path(folder)
        with store_errors(f"write artifacts of run {run_id}"):
            if source.is_dir():
                self._client.log_artifacts(run_id, str(source), path)
            elif source.is_file():
                self._client.log_artifact(run_id, str(source), path)
            else:
                raise TrackingError(f"cannot write artifacts: {str(source)!r} does not exist")

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same name."""
        from mlflow.entities import RunTag

        entries = [RunTag(key, text) for key, text in _tag_texts(tags).items()]
        with store_errors(f"set tags of run {run_id}"):
            for chunk in _chunks(entries, names.TAGS_PER_BATCH):
                self._client.log_batch(run_id, tags=chunk)

    def finish(
        self,
        run_id: str,
        state: RunState,
        *,
        metrics_summary: Mapping[str, float] | None = None,
        error: str | None = None,
    ) -> None:
        """End a run in its true state; again with the same state changes nothing but tags.

        FINISHED, PRUNED or INTERRUPTED (both KILLED, told apart by the tag `mlctl.state`), or
        FAILED. `error` of a run that failed or was interrupted is kept as the tag `mlctl.error`,
        its first line. `metrics_summary` is logged at the run's last step, so that its values are
        the last ones.
        """
        if state is RunState.RUNNING:
            raise ValueError("a run cannot be finished as RUNNING; resume() does that")
        if metrics_summary:
            self.log_metrics(run_id, metrics_summary, self._summary_step(run_id, metrics_summary))
        outcome = {names.STATE: state.value}
        with_reason = state in (RunState.FAILED, RunState.INTERRUPTED)
        if with_reason and error:
            outcome[names.ERROR] = first_line(error)
        with store_errors(f"finish run {run_id}"):
            run = self._client.get_run(run_id)
            self.set_tags(run_id, outcome)
            if not with_reason and names.ERROR in run.data.tags:
                self._client.delete_tag(run_id, names.ERROR)
            if state_of(run) is not state or run.info.status != STATUS[state]:
                self._client.set_terminated(run_id, STATUS[state])
        self._last_step.pop(run_id, None)

    def find_study(self, name: str | None = None) -> str | None:
        """Run id of the newest study of that name (default: the experiment), None without one."""
        with store_errors("search studies"):
            found = self._client.get_experiment_by_name(name or self.experiment)
            if found is None or found.lifecycle_stage == "deleted":
                return None
            runs = study_runs(self._client, [found.experiment_id], limit=1)
        return runs[0].info.run_id if runs else None

    def open_runs(self, study_run_id: str) -> tuple[RunRecord, ...]:
        """Trials and replicates of a study that are still RUNNING, the oldest first."""
        with store_errors(f"search runs of study {study_run_id}"):
            runs = child_runs(self._client, study_run_id, only_open=True)
        return tuple(record_of(run) for run in reversed(runs))

    def find_children(self, study_run_id: str) -> Mapping[str, RunRecord]:
        """Trials and replicates of a study by name.

        Of several runs of a name the oldest that holds anything. RunMissingError when the store
        does not know the study.
        """
        with store_errors(f"search runs of study {study_run_id}"):
            runs = [record_of(run) for run in child_runs(self._client, study_run_id)]
        self._marked |= {run.run_id for run in runs if names.NON_FINITE in run.tags}
        found: dict[str, RunRecord] = {}
        for run in reversed(runs):
            if run.name not in found or (_is_empty(found[run.name]) and not _is_empty(run)):
                found[run.name] = run
        return found

    def drop_empty_copies(self, study_run_id: str) -> None:
        """Delete runs without content that have another run of their name beside them.

        Such a run appears when a store carries out a request for a new run after the writer has
        given up waiting for its answer.
        """
        kept = {run.run_id for run in self.find_children(study_run_id).values()}
        with store_errors(f"search runs of study {study_run_id}"):
            for run in child_runs(self._client, study_run_id, only_open=True):
                if run.info.run_id not in kept and _is_empty(record_of(run)):
                    self._client.delete_run(run.info.run_id)

    def holds(self, run_id: str) -> bool:
        """Whether the store has this run and it was not deleted."""
        try:
            with store_errors(f"read run {run_id}"):
                return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except RunMissingError:
            return False

    def record(self, run_id: str) -> RunRecord:
        """One run as the store has it."""
        with store_errors(f"read run {run_id}"):
            return record_of(self._client.get_run(run_id))

    def forget_experiment(self) -> None:
        """Look the experiment up again before the next run: the store may be another one now."""
        self._experiment_id = None

    def _now(self) -> int:
        self._clock_ms = max(int(time.time() * 1000), self._clock_ms + 1)
        return self._clock_ms

    def _summary_step(self, run_id: str, keys: Iterable[str]) -> int:
        """Last step of the run; for a run of another process, of these metrics only."""
        if run_id in self._last_step:
            return self._last_step[run_id]
        with store_errors(f"read metrics of run {run_id}"):
            histories = [self._client.get_metric_history(run_id, safe_key(key)) for key in keys]
        return max((point.step for points in histories for point in points), default=0)

    def _start(
        self,
        role: Role,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        own: Mapping[str, str],
    ) -> str:
        held = {
            **tags,
            **self._source_tags,
            **own,
            names.ROLE: role.value,
        }
        if role is not Role.RUN:
            held[names.STUDY] = self.experiment
        with store_errors(f"start {role} {name!r}"):
            run = self._client.create_run(
                self._ensure_experiment(), tags=_tag_texts(held), run_name=name
            )
        run_id: str = run.info.run_id
        self.log_params(run_id, params)
        return run_id

    @cached_property
    def _source_tags(self) -> dict[str, str]:
        found = {names.SOURCE_TYPE: "LOCAL", names.SOURCE_NAME: "mlctl_ray"}
        commit = git_commit()
        return {**found, names.SOURCE_COMMIT: commit} if commit else found

    def _find_experiment(self) -> str | None:
        with store_errors("search experiments"):
            found = self._client.get_experiment_by_name(self.experiment)
        if found is None:
            return None
        experiment_id: str = found.experiment_id
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"experiment: {self.experiment!r} was deleted in the tracking store; choose "
                f"another name or run `mlflow experiments restore --experiment-id {experiment_id}`"
            )
        return experiment_id

    def _ensure_experiment(self) -> str:
        if self._experiment_id is None:
            # Another process may have made it since this tracker looked.
            self._experiment_id = self._find_experiment()
        if self._experiment_id is None:
            path = sqlite_path(self.uri)
            location = _artifact_folder(path, self.experiment).as_uri() if path else None
            with store_errors(f"create experiment {self.experiment!r}"):
                self._experiment_id = self._client.create_experiment(
                    self.experiment, artifact_location=location
                )
        return self._experiment_id


def _is_empty(run: RunRecord) -> bool:
    return not run.params and not run.metrics


def _artifact_folder(database: Path, experiment: str) -> Path:
    """The experiment's artifact folder next to the database, its name safe on any file system."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", experiment)[:80].strip(".")
    if name != experiment:
        name = f"{name}-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"
    return database.parent / "mlartifacts" / name


def _tag_texts(tags: Mapping[str, str]) -> dict[str, str]:
    return {safe_key(key): cut(str(value), names.MAX_TAG) for key, value in tags.items()}


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
