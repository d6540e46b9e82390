"""A study that takes seconds, and the means to run it by its command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
import ray
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typer.testing import CliRunner

from mlctl_ray.search_command import app

TINY = """
model:
  scratch: {d_model: 16, d_kv: 8, heads: 2, d_ff: 32, encoder_layers: 1, decoder_layers: 1, vocabulary: 400}
  dropout: 0.0
  prompt: "{premise} ? {hypothesis}"
data:
  nli: {languages: [en, de, tr], train_size: 90, evaluation_size: 30}
  parallel: {size: 60}
  retrieval: {size: 20}
  max_length: 64
objective: {levels: sentence, batch_size: 8}
optimisation: {steps: 6, batch_size: 8, learning_rate: 1.0e-3, evaluate_every: 2}
evaluation: {pair_matrix_size: 10}
study:
  name: tiny
  seed: 3
  trials: 7
  concurrency: 1
  known: [none, cz-snt]
  startup_trials: 20
  space:
    objective.levels: {type: categorical, choices: [none, sentence]}
    objective.sentence.temperature: {type: log_float, low: 0.02, high: 0.5, when: {objective.levels: [sentence]}}
    objective.sentence.weight: {type: log_float, low: 0.1, high: 3.0, when: {objective.levels: [sentence]}}
    objective.sentence.offset: {type: float, low: 0.0, high: 6.0, or_infinity: true, when: {objective.levels: [sentence]}}
    # 1e38 overflows in the second step; 5 frozen layers are more than there are.
    optimisation.learning_rate: {type: categorical, choices: [0.001, 0.003, 1.0e+38]}
    model.freeze_layers: {type: categorical, choices: [0, 5]}
  confirmation: {replicates: 1, variants: [none]}
"""  # noqa: E501


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str


class Place:
    """A working directory of its own with ``tiny.yaml``, and commands run in it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        tree = yaml.safe_load(TINY)
        tree["data"]["cache"] = str(cache)
        self.study = folder / "tiny.yaml"
        self.study.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    @property
    def root(self) -> Path:
        """The study's folder."""
        return self.folder / "runs" / "tiny"

    @property
    def uri(self) -> str:
        """The study's tracking store."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def start(self, *arguments: str, start_new_session: bool = False) -> subprocess.Popen[str]:
        """Start ``python -m mlctl_ray.search`` here."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlctl_ray.search", *arguments],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=start_new_session,
        )

    def search(self, *arguments: str, timeout: float = 300) -> Done:
        """Run ``python -m mlctl_ray.search`` here to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return Done(process.returncode, out, err)


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command: no store or cluster of the person who runs the tests."""
    left_out = {"MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
    held = {name: value for name, value in os.environ.items() if name not in left_out}
    return held | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"} | dict(changes or {})


def descendants(pid: int) -> list[int]:
    """Processes below `pid`, children first, as Linux lists them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def titled(pid: int, title: str) -> list[int]:
    """Processes below `pid` whose title begins so; Ray names its actors by it."""
    found = []
    for child in descendants(pid):
        try:
            shown = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if shown.startswith(title.encode()):
            found.append(child)
    return found


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    left = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            left.append(pid)
    return left


def kill_tree(process: subprocess.Popen[str]) -> None:
    """SIGKILL a driver, then what it started."""
    below = descendants(process.pid)
    process.kill()
    process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate()


@dataclass(frozen=True)
class RanStudy:
    """The small study after its search, and the processes that it had started."""

    place: Place
    done: Done
    below: list[int]


def journal(root: Path, name: str = "tiny") -> list[optuna.trial.FrozenTrial]:
    """The trials in a study's journal."""
    storage = JournalStorage(JournalFileBackend(str(root / "optuna.journal")))
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def refusal(*arguments: str) -> str:
    """The one line with which the search refuses, in this process; Ray must not be started."""
    before = ray.is_initialized()
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2, (result.output, result.exception)
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    assert result.stdout == ""
    assert ray.is_initialized() is before is False
    return lines[0]
