"""The driver is killed again and again; `--resume` gives what the undisturbed study gave."""

from __future__ import annotations

import random
import time

import pytest
from disturbed import Arena, Facts, wait_gone

KILLS = 8


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_drivers_lose_and_double_nothing(arena: Arena, undisturbed: Facts) -> None:
    """With ASHA and TPE beyond its first random trials, one trial at once."""
    rng = random.Random(7)
    kills = 0
    helpers: list[int] = []
    while kills < KILLS:
        driver = arena.driver()
        # From the first import to the last artifact: some die before they have begun anything.
        lines = rng.choice([0, 1, 2, 3, 4, 5])
        if lines == 0:
            time.sleep(rng.uniform(0.5, 8))
        alive = all(driver.next_line(120) is not None for _ in range(lines))
        time.sleep(rng.uniform(0, 0.6))
        if not alive or driver.process.poll() is not None:
            break
        helpers += driver.kill()
        kills += 1
    done = arena.search()
    assert done.code == 0, done.err
    assert kills >= KILLS - 2, "the study ended before it was disturbed enough"
    wait_gone(helpers)
    after = arena.facts()
    assert after.trials == undisturbed.trials
    assert after.replicates == undisturbed.replicates
    assert after.runs == undisturbed.runs
