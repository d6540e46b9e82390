"""What a new study takes over from an old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend
from simulated import Driver, desk_of, drive, search, simulated

from mlctl_ray.config import to_yaml
from mlctl_ray.errors import InputError
from mlctl_ray.search import attributes as names
from mlctl_ray.search.book import Book
from mlctl_ray.search.documents import Documents
from mlctl_ray.search.results import rank_trials
from mlctl_ray.search.warm_start import import_trials, note_warm_start, read_old

RATE = "study.space.optimisation.learning_rate"
FREEZE = "study.space.model.freeze_layers"
NEW = {"study.name": "new"}


def take(book: Book, name: str) -> str | None:
    """Begin to take another study's results, and take them."""
    note_warm_start(book, name)
    return import_trials(book)


def old_study(folder: Path, changes: dict[str, Any] | None = None) -> Driver:
    driver = search(simulated(folder, changes))
    driver.folder.config.write_text(to_yaml(driver.config), encoding="utf-8")
    return driver


def imported(driver: Driver) -> dict[str, Any]:
    """Imported trials by where they come from."""
    trials = driver.book.trials()
    return {t.user_attrs[names.IMPORTED]: t for t in trials if names.IMPORTED in t.user_attrs}


def results(driver: Driver) -> dict[str, Any]:
    """Finished and stopped trials by the name that they get elsewhere."""
    kept = [t for t in driver.book.trials() if t.state.name in ("COMPLETE", "PRUNED")]
    return {f"tiny#{trial.number}": trial for trial in kept}


def test_results_of_the_same_space_are_taken_as_they_are(tmp_path: Path) -> None:
    old = old_study(tmp_path)
    expected = results(old)
    driver = Driver(simulated(tmp_path, NEW))
    line = take(driver.book, "tiny")
    count = len(expected)
    assert line == f"warm start: {count} of {count} results of 'tiny' inform the sampler"
    assert 3 <= count < 9
    found = imported(driver)
    assert found.keys() == expected.keys()
    for name, trial in found.items():
        before = expected[name]
        assert (trial.params, trial.values, trial.state) == (
            before.params,
            before.values,
            before.state,
        )
        assert trial.intermediate_values == before.intermediate_values


def test_wider_space_takes_all_and_a_narrower_one_what_it_holds(tmp_path: Path) -> None:
    expected = results(old_study(tmp_path))
    wide = {RATE: {"type": "log_float", "low": 1e-5, "high": 1.0}}
    driver = Driver(simulated(tmp_path, NEW | wide))
    take(driver.book, "tiny")
    assert imported(driver).keys() == expected.keys()
    distribution = imported(driver)["tiny#0"].distributions["optimisation.learning_rate"]
    assert (distribution.low, distribution.high) == (1e-5, 1.0)
    narrow = {RATE: {"type": "log_float", "low": 9e-4, "high": 2e-3}}
    driver = Driver(simulated(tmp_path, {"study.name": "narrow"} | narrow))
    take(driver.book, "tiny")
    inside = {
        name
        for name, trial in expected.items()
        if 9e-4 <= trial.params["optimisation.learning_rate"] <= 2e-3
    }
    assert imported(driver).keys() == inside
    assert 0 < len(inside) < len(expected)


def test_searched_field_that_is_fixed_now_takes_what_has_its_value(tmp_path: Path) -> None:
    expected = results(old_study(tmp_path))
    config = simulated(tmp_path, NEW | {"model.freeze_layers": 1})
    space = {k: v for k, v in config.study.space.items() if k != "model.freeze_layers"}
    section = config.study.model_copy(update={"space": space})
    driver = Driver(config.model_copy(update={"study": section}))
    take(driver.book, "tiny")
    same = {name for name, t in expected.items() if t.params["model.freeze_layers"] == 1}
    assert imported(driver).keys() == same
    assert same and all("model.freeze_layers" not in t.params for t in imported(driver).values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimisation.steps": 10}, ("optimisation.steps is 8 in 'tiny' and 10 here",)),
        ({"data.nli.train_size": 60}, ("data.nli.train_size is 90 in 'tiny' and 60 here",)),
        ({"study.selection": "source"}, ("objective mean_zero_shot", "source")),
        ({"study.also_optimise": ["source"], "study.asha": None}, ("mean_zero_shot, source",)),
    ],
)
def test_results_that_would_not_be_comparable_are_refused(
    changes: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    old_study(tmp_path, {"study.trials": 2})
    with pytest.raises(InputError) as caught:
        read_old(simulated(tmp_path, NEW | changes), "tiny")
    line = str(caught.value)
    assert line.startswith("--warm-start: ") and "\n" not in line
    assert [word for word in words if word not in line] == []


def test_what_changes_no_result_may_differ(tmp_path: Path) -> None:
    old = old_study(tmp_path, {"study.trials": 2})
    free = {"scaling.cpus_per_worker": 2, "data.cache": "elsewhere", "seed": 9, "study.seed": 8}
    assert read_old(simulated(tmp_path, NEW | free), "tiny") == old.config


def test_study_that_is_not_there_and_the_study_itself_are_refused(tmp_path: Path) -> None:
    old_study(tmp_path, {"study.trials": 2})
    with pytest.raises(InputError, match=r"no other study 'gone' in .*; there: tiny$"):
        read_old(simulated(tmp_path, NEW), "gone")
    with pytest.raises(InputError, match="no other study 'tiny'"):
        read_old(simulated(tmp_path), "tiny")


def test_import_that_was_broken_off_is_ended_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = results(old_study(tmp_path))
    config = simulated(tmp_path, NEW)
    append, written = JournalFileBackend.append_logs, 0

    def break_off(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        nonlocal written
        written += 1
        if written == 4:
            raise OSError("gone")
        append(backend, logs)

    driver = Driver(config)
    with monkeypatch.context() as patched, pytest.raises(OSError, match="gone"):
        patched.setattr(JournalFileBackend, "append_logs", break_off)
        take(driver.book, "tiny")
    second = Driver(config)
    assert len(second.book.trials()) == 2
    line = import_trials(second.book)
    assert line is not None
    assert len(second.book.trials()) == len(expected) == len(imported(second))
    third = Driver(config)
    assert import_trials(third.book) is None
    assert len(third.book.trials()) == len(expected)


def test_study_without_an_old_one_imports_nothing(tmp_path: Path) -> None:
    driver = Driver(simulated(tmp_path))
    assert import_trials(driver.book) is None
    assert driver.book.trials() == [] and driver.book.note(names.WARM_START) is None


def test_imported_trials_inform_the_sampler_and_are_none_of_the_studys_own(
    tmp_path: Path,
) -> None:
    expected = results(old_study(tmp_path))
    config = simulated(tmp_path, NEW | {"study.trials": 4, "study.asha": None})
    driver = Driver(config)
    take(driver.book, "tiny")
    stage = driver.stage()
    assert stage.spent.trials == 0 and stage.spent.device_hours == 0
    assert drive(config, desk_of(stage)) == "trials"
    own = driver.book.own_trials()
    first = len(expected)
    assert [trial.number for trial in own] == list(range(first, first + 4))
    assert [trial.user_attrs.get(names.VARIANT) for trial in own[:2]] == ["none", "cz-snt"]
    ask = driver.book.ask(first)
    assert ask is not None and ask.told == tuple(range(first))
    ranking = rank_trials(own, config)
    assert {result.number for result in ranking} == set(range(first, first + 4))
    named = Documents(driver.book, driver.folder, "{}").names()
    assert named == tuple(f"trial-{n:04d}" for n in range(first, first + 4))


def test_limits_of_the_new_study_are_those_that_count(tmp_path: Path) -> None:
    old = old_study(tmp_path, {"study.asha": None})
    limit = {"study.constraints": {"de": {"at_least": 0.7}}, "study.asha": None}
    driver = Driver(simulated(tmp_path, NEW | limit))
    take(driver.book, "tiny")
    assert len(imported(driver)) > 2
    for name, trial in imported(driver).items():
        metrics = old.book.trial(int(name.split("#")[1])).user_attrs[names.METRICS]
        excess = 0.7 - metrics["validation/embedded/de/accuracy"]
        assert dict(trial.constraints) == {"de at_least 0.7": pytest.approx(excess)}
