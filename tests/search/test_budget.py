"""No trial starts that would break a limit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import HOURS_PER_STEP, Driver, desk_of, drive, search, simulated

from mlctl_ray.config import StudyConfig
from mlctl_ray.search.accounts import budget_rows
from mlctl_ray.search.budget import Ahead, Spent, exhausted, replicates_of

TRIAL = 8 * HOURS_PER_STEP
NO_CONFIRMATION = {"study.confirmation": {"replicates": 0}, "study.asha": None}


def study(**fields: Any) -> StudyConfig:
    with tempfile.TemporaryDirectory() as folder:
        return simulated(Path(folder), {f"study.{name}": value for name, value in fields.items()})


def test_each_limit_is_named_and_the_first_to_be_reached_ends_the_search() -> None:
    fresh, none = Spent(0, 0.0, 0.0), Ahead(None, 0, 0)
    config = study(
        trials=5, max_hours=2.0, max_device_hours=30.0, max_cost=40.0, price_per_device_hour=2.0
    )
    assert exhausted(config, fresh, none) is None
    assert exhausted(config, Spent(5, 0.0, 0.0), none) == "trials"
    assert exhausted(config, Spent(4, 2.0, 0.0), none) == "max_hours"
    assert exhausted(config, Spent(4, 1.9, 20.0), none) == "max_cost"
    assert exhausted(config, Spent(4, 1.9, 19.9), none) is None
    cheap = study(trials=5, max_device_hours=10.0, max_cost=40.0, price_per_device_hour=2.0)
    assert exhausted(cheap, Spent(1, 0.0, 10.0), none) == "max_device_hours"


def test_no_limit_is_none() -> None:
    assert exhausted(study(trials=2), Spent(1, 1e9, 1e9), Ahead(1e9, 99, 99)) is None


HOURS = st.floats(0, 100, allow_subnormal=False)


@settings(max_examples=120, deadline=None)
@given(
    spent=HOURS,
    each=st.none() | st.floats(0.001, 20),
    running=st.integers(0, 8),
    replicates=st.integers(0, 12),
    limit=st.floats(0.001, 200),
    price=st.none() | st.floats(0.01, 50),
)
def test_what_starts_fits_with_all_that_is_ahead(
    spent: float,
    each: float | None,
    running: int,
    replicates: int,
    limit: float,
    price: float | None,
) -> None:
    fields: dict[str, Any] = {"max_device_hours": limit}
    if price is not None:
        fields = {"max_cost": limit * price, "price_per_device_hour": price}
    config = study(trials=1000, **fields)
    limit = limit if price is None else limit * price / price
    reason = exhausted(config, Spent(0, 0.0, spent), Ahead(each, running, replicates))
    with_it = spent + (each or 0.0) * (1 + running + replicates)
    if reason is None:
        assert with_it <= limit and spent < limit
    else:
        assert reason == ("max_device_hours" if price is None else "max_cost")
        assert with_it > limit or spent >= limit


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({"replicates": 0}, 0),
        ({"replicates": 3, "variants": ["none"], "runner_up": True}, 9),
        ({"replicates": 3, "variants": ["none", "cz-snt"], "runner_up": False}, 9),
        ({"replicates": 1, "variants": ["none"], "runner_up": False}, 2),
    ],
)
def test_confirmation_runs(stage: dict[str, Any], expected: int) -> None:
    assert replicates_of(study(confirmation=stage)) == expected


@pytest.mark.parametrize("at_once", [1, 3])
def test_search_keeps_within_its_device_hours(at_once: int, tmp_path: Path) -> None:
    changes = NO_CONFIRMATION | {"study.trials": 50, "study.max_device_hours": 5 * TRIAL}
    driver = Driver(simulated(tmp_path, changes))
    stage = driver.stage()
    assert drive(driver.config, desk_of(stage, at_once)) == "max_device_hours"
    assert 0 < stage.spent.device_hours <= 5 * TRIAL
    finished = [t for t in driver.book.trials() if t.state.name == "COMPLETE"]
    # Before the first trial has ended nothing is known of what one takes.
    assert len(finished) == 5


def test_share_of_the_confirmation_is_kept_back(tmp_path: Path) -> None:
    stage = {"replicates": 2, "variants": ["none"], "runner_up": False}
    changes = NO_CONFIRMATION | {"study.trials": 50, "study.confirmation": stage}
    changes |= {"study.price_per_device_hour": 3.0, "study.max_cost": 3.0 * 7 * TRIAL}
    driver = search(simulated(tmp_path, changes))
    finished = [t for t in driver.book.trials() if t.state.name == "COMPLETE"]
    assert len(finished) == 7 - 4


def test_limits_hold_over_all_drivers(tmp_path: Path) -> None:
    limited = NO_CONFIRMATION | {"study.trials": 50, "study.max_device_hours": 3 * TRIAL}
    first = search(simulated(tmp_path, limited))
    again = Driver(simulated(tmp_path, limited))
    assert drive(again.config, desk_of(again.stage())) == "max_device_hours"
    assert len(again.book.trials()) == len(first.book.trials())
    raised = Driver(simulated(tmp_path, limited | {"study.max_device_hours": 4 * TRIAL}))
    stage = raised.stage()
    assert drive(raised.config, desk_of(stage)) == "max_device_hours"
    assert stage.spent.device_hours == 4 * TRIAL


def test_wall_time_is_kept_over_drivers(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path, NO_CONFIRMATION | {"study.max_hours": 1.0}))
    driver.book.write_note("mlctl_session:0", [0.0, 3599.0])
    driver.book.write_note("mlctl_session:1", [9000.0, 9002.0])
    again = Driver(driver.config)
    assert drive(again.config, desk_of(again.stage())) == "max_hours"
    assert again.book.trials() == []
    again.clock.stop()
    assert set(again.book.notes("mlctl_session:")) == {"0", "1", "2"}


def test_rows_show_plan_limit_and_spent(tmp_path: Path) -> None:
    changes = NO_CONFIRMATION | {"study.trials": 3, "study.price_per_device_hour": 2.0}
    driver = search(simulated(tmp_path, changes))
    spent = Spent(3, 0.5, 3 * TRIAL)
    rows = {row.what: row for row in budget_rows(driver.config, driver.book, spent, ())}
    assert (rows["trials"].limit, rows["trials"].spent) == (3, 3)
    assert rows["cost in USD"].spent == 3 * TRIAL * 2.0
    assert rows["device-hours"].plan is None
