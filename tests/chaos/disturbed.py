"""The study of the chaos suite, what it gives, and the processes that are killed in it."""

from __future__ import annotations

import json
import math
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray.cluster_utils import Cluster
from small_study import TINY, Done, alive, descendants, environment, titled

from mlctl_ray.tracking import StudyReader

NAME = "chaos"
OBJECT_STORE_BYTES = 100 * 1024**2
TIMES = ("cost/device_hours", "train/samples_per_second")
"""Metrics that no two runs share."""


@dataclass(frozen=True)
class Facts:
    """What must not depend on what happened: trials, replicates, and the tracking store's runs."""

    trials: dict[int, Any]
    replicates: dict[str, Any]
    runs: dict[str, Any]


class Arena:
    """A working directory with ``chaos.yaml``, and its driver."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        tree = yaml.safe_load(TINY)
        tree["data"]["cache"] = str(cache)
        tree["optimisation"] |= {"steps": 48, "evaluate_every": 12, "checkpoint_every": 4}
        space = tree["study"]["space"]
        space["optimisation.learning_rate"] = {"type": "log_float", "low": 1e-3, "high": 1e-2}
        del space["model.freeze_layers"]
        tree["study"] |= {
            "name": NAME,
            "trials": 6,
            "startup_trials": 3,
            "retries": {"errors": 1, "preemptions": 100},
            "confirmation": {"replicates": 1, "variants": ["none"], "runner_up": False},
        }
        (folder / "chaos.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        self.tracking_uri = f"sqlite:///{folder / 'mlflow.db'}"

    @property
    def root(self) -> Path:
        """The study's folder."""
        return self.folder / "runs" / NAME

    @property
    def begun(self) -> bool:
        """Whether the study exists, so that it can only be resumed."""
        journal = self.root / "optuna.journal"
        return journal.is_file() and journal.stat().st_size > 0

    def driver(self, *arguments: str) -> Driver:
        """Start a driver, resuming what there is."""
        resume = ("--resume",) if self.begun else ()
        return Driver(self.folder, ["chaos.yaml", *resume, *arguments])

    def search(self, *arguments: str, timeout: float = 400) -> Done:
        """Run a driver to its end."""
        return self.driver(*arguments).to_end(timeout)

    def facts(self) -> Facts:
        """Everything that the study left, without times."""
        storage = JournalStorage(JournalFileBackend(str(self.root / "optuna.journal")))
        study = optuna.load_study(study_name=NAME, storage=storage)
        trials = {
            trial.number: {
                "state": trial.state.name,
                "params": trial.params,
                "values": trial.values,
                "rungs": trial.intermediate_values,
                "metrics": _timeless(trial.user_attrs.get("mlctl_metrics", {})),
            }
            for trial in study.get_trials(deepcopy=False)
        }
        replicates = {
            path.parent.name: _timeless(json.loads(path.read_text()))
            for path in sorted(self.root.glob("replicates/*/metrics.json"))
        }
        return Facts(trials, replicates, self._runs())

    def _runs(self) -> dict[str, Any]:
        reader = StudyReader(self.tracking_uri)
        record = reader.read(NAME)
        found: dict[str, Any] = {"study": record.study.state.value}
        for run in (*record.trials, *record.replicates):
            assert run.name not in found, f"{run.name} stands twice in the tracking store"
            key = record.study.tags["mlctl.objective_key"]
            history = reader.history(run.run_id, key)
            found[run.name] = (run.state.value, history, _timeless(run.metrics))
        return found


class Driver:
    """A driver's process, whose output is read as it comes."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlctl_ray.search", *arguments],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._new.put(line.rstrip())
        self._new.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)

    def next_line(self, timeout: float) -> str | None:
        """The next line of output; None at its end, or when none came in time."""
        try:
            line = self._new.get(timeout=timeout)
        except queue.Empty:
            return None
        if line is not None:
            self.lines.append(line)
        return line

    def wait_for(self, text: str, timeout: float = 400) -> bool:
        """Read up to a line with `text`; False if the output ended before."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            line = self.next_line(max(0.1, end - time.monotonic()))
            if line is None:
                return False
            if text in line:
                return True
        return False

    def kill(self) -> list[int]:
        """SIGKILL the driver alone; what it started must end by itself.

        Returns:
            What may still be there: two helpers of Ray's look for their parent once a minute.
        """
        below = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        wait_gone([pid for pid in below if "Agent" not in _title(pid)])
        return alive(below)

    def to_end(self, timeout: float) -> Done:
        """Wait for the driver's end."""
        try:
            code = self.process.wait(timeout)
        finally:
            self.process.kill()
        for reader in self._readers:
            reader.join(10)
        while (line := self.next_line(0.1)) is not None:
            self.lines.append(line)
        return Done(code, "\n".join(self.lines), "".join(self._errors))


def wait_gone(pids: list[int], timeout: float = 90) -> None:
    """Fail if a process is still there after a while."""
    end = time.monotonic() + timeout
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.2)
    left = {pid: _title(pid) for pid in alive(pids)}
    assert not left, f"processes were left: {left}"


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    except OSError:
        return ""


def trial_processes(pid: int) -> list[int]:
    """Processes below `pid` in which trials run."""
    return titled(pid, "ray::ImplicitFunc")


@contextmanager
def one_head(**options: Any) -> Iterator[Cluster]:
    """A cluster of one machine, as processes here, to which others can be added."""
    settings = {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False, **options}
    made = Cluster(initialize_head=True, head_node_args=settings)
    try:
        yield made
    finally:
        made.shutdown()


def _timeless(metrics: dict[str, float] | Any) -> dict[str, Any]:
    return {
        key: "nan" if math.isnan(value) else value
        for key, value in metrics.items()
        if key not in TIMES
    }
