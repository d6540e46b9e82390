"""The command lines are a contract: a change of one is a change of a file here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_study import environment

COMMANDS = ("search", "train", "evaluate", "report")
HEAVY = ("torch", "ray", "optuna", "mlflow", "transformers", "datasets", "pandas")
SNAPSHOTS = Path(__file__).parent / "cli_help"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_agreed_and_imports_nothing_heavy(command: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{command!r}, '--help']\n"
        "try:\n"
        f"    runpy.run_module('mlctl_ray.{command}', run_name='__main__', alter_sys=False)\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.stderr.write(','.join(loaded))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment({"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    snapshot = SNAPSHOTS / f"{command}.txt"
    if os.environ.get("MLCTL_ACCEPT_HELP"):
        snapshot.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == snapshot.read_text(encoding="utf-8"), (
        "the command line has changed; if that is meant, run with MLCTL_ACCEPT_HELP=1"
    )
