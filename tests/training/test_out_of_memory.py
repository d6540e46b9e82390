"""Memory that is refused is the configuration's failure: torch's real allocators."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import run_config

from mlctl_ray.config import to_yaml
from mlctl_ray.errors import TrialFailure
from mlctl_ray.training import run
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.memory import within_memory

LIMITED = """
import resource, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from mlctl_ray.config import RunConfig, load_config
from mlctl_ray.evaluation.workers import Workers
from mlctl_ray.training.data import load_training_data
from mlctl_ray.training.trainer import Trainer

config = load_config(RunConfig, sys.argv[1], [])
trainer = Trainer(config, load_training_data(config.data, config.model.text), Workers())
next(trainer.run(frozenset({1})))
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
trainer._batches = type(trainer._batches)(
    config.model_copy(
        update={
            "optimisation": config.optimisation.model_copy(
                update={"batch_size": 60, "token_budget": 8192}
            )
        }
    ),
    trainer.data,
    Workers(),
)
from mlctl_ray.errors import TrialFailure
try:
    list(trainer.run(frozenset()))
except TrialFailure as failure:
    print(failure)
"""


def test_a_step_that_does_not_fit_names_the_fields_to_lower(tmp_path: Path) -> None:
    config = run_config(
        tmp_path / "cache",
        model__scratch__d_ff=40000,
        objective__levels="none",
        optimisation__batch_size=1,
    )
    load_training_data(config.data, config.model.text)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "run.yaml")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("out of memory at step 2: ")
    assert "can't allocate memory: you tried to allocate" in line
    assert line.endswith("; lower optimisation.token_budget or optimisation.batch_size")


def test_an_evaluation_that_does_not_fit_names_its_own_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "evaluate_model", lambda *_, **__: torch_memory())
    with pytest.raises(TrialFailure, match=r"in the evaluation after step 3: .*; lower evaluation"):
        run.run_training(run_config(tmp_path / "cache"), tmp_path / "run")


def python_memory() -> None:
    bytearray(1 << 60)


def numpy_memory() -> None:
    np.empty(1 << 59)


def torch_memory() -> None:
    torch.empty(1 << 55)


@pytest.mark.parametrize("work", [python_memory, numpy_memory, torch_memory])
def test_every_allocator_is_understood(work: object) -> None:
    with pytest.raises(TrialFailure, match=r"^out of memory there: \S.*; lower that$"):
        within_memory(work, where="there", cure="that")  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_s_memory_is_free_afterwards() -> None:
    def work() -> torch.Tensor:
        held = torch.empty(1 << 28, device="cuda")
        return held.new_empty(1 << 45)

    with pytest.raises(TrialFailure, match="out of memory there: CUDA out of memory"):
        within_memory(work, where="there", cure="that")
    assert torch.cuda.memory_allocated() == 0


def test_the_failure_does_not_hold_what_the_work_held() -> None:
    held: list[weakref.ref[object]] = []

    class Large:
        """Stands for the tensors of a step."""

    def work() -> None:
        large = Large()
        held.append(weakref.ref(large))
        torch_memory()

    with pytest.raises(TrialFailure) as failure:
        within_memory(work, where="there", cure="that")
    gc.collect()
    assert failure.value.__context__ is None
    assert held[0]() is None


def test_other_errors_pass() -> None:
    def work() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match=r"^shapes differ$"):
        within_memory(work, where="there", cure="that")
    assert within_memory(lambda: 3, where="there", cure="that") == 3
