"""The next trial is a function of the study's trials and of nothing else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState
from simulated import Driver, accuracy, desk_of, drive, metrics_at, search, simulated
from small_study import journal

from mlctl_ray.config import StudyConfig
from mlctl_ray.errors import InputError
from mlctl_ray.search.book import Book
from mlctl_ray.search.faults import Fault
from mlctl_ray.search.proposal import Proposal, next_variant, propose, propose_again
from mlctl_ray.search.search_stage import trial_run
from mlctl_ray.search.storage import load_study, make_study

ONE: dict[str, Any] = {
    "study.asha": None,
    "study.space.model.freeze_layers": {"type": "categorical", "choices": [0, 1]},
}
SEVERAL: dict[str, Any] = ONE | {
    "study.also_optimise": ["device_hours"],
    "study.constraints": {"de": {"at_least": 0.6}, "source": {"at_least": 0.65}},
}


def facts(proposal: Proposal) -> tuple[Any, ...]:
    return dict(proposal.params), dict(proposal.values), proposal.variant, proposal.ask


def begin(book: Book) -> Proposal | None:
    """Propose one trial; None if its values are refused."""
    trials = book.trials()
    proposal = propose(book.config, trials, len(trials))
    try:
        trial_run(book.config, proposal.number, proposal.values)
    except InputError as error:
        book.refused(proposal, str(error))
        return None
    book.born(proposal)
    return proposal


def end(book: Book, number: int, way: int) -> None:
    """End a trial in one of three ways, or only let it report."""
    run = trial_run(book.config, number, book.values(number))
    if way:
        book.reported(number, 2, accuracy(run, 2))
    metrics = metrics_at(book.config, run, 8)
    if way in (1, 2):
        book.finished(number, metrics)
    elif way == 3:
        book.pruned(number, metrics)
    elif way == 4:
        book.failed(number, Fault.LOST, "lost", metrics)


def study_of(config: StudyConfig, ways: list[tuple[int, int]]) -> Book:
    """A study of `study.trials` trials, up to four at once, whose ends come as `ways` says."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    book = Book(config, optuna.create_study(directions=_directions(config)))
    for which, way in ways:
        while len(book.running()) < 4 and len(book.trials()) < config.study.trials:
            begin(book)
        running = book.running()
        if not running:
            break
        end(book, running[which % len(running)], way)
    return book


def _directions(config: StudyConfig) -> list[str]:
    return ["maximize", "minimize"] if config.study.also_optimise else ["maximize"]


def test_named_variants_come_first_and_imported_trials_are_none(tmp_path: Path) -> None:
    config = simulated(tmp_path, {"study.known": ["cz-snt", "none"]})
    first = propose(config, (), 0)
    assert (first.variant, first.params["objective.levels"]) == ("cz-snt", "sentence")
    assert first.params["objective.sentence.offset.infinite"] is True
    imported = optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        value=0.5,
        params=dict(first.params),
        distributions=dict(first.distributions),
        user_attrs={"mlctl_variant": "none", "mlctl_imported": "old#0"},
    )
    assert next_variant(config, [imported]) == "cz-snt"
    book = Driver(config).book
    for expected in ("cz-snt", "none", None):
        proposal = propose(config, book.trials(), len(book.trials()))
        assert proposal.variant == expected
        book.born(proposal)


@pytest.mark.parametrize("changes", [ONE, SEVERAL], ids=["one", "several"])
def test_same_trials_give_the_same_proposal_in_memory_on_disk_and_elsewhere(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    config = simulated(tmp_path, changes)
    driver = search(config)
    trials = driver.book.trials()
    assert sum(trial.state is TrialState.COMPLETE for trial in trials) >= 3
    here = propose(config, trials, len(trials))
    assert facts(propose(config, trials, len(trials))) == facts(here)
    assert facts(propose(config, journal(driver.folder.root), len(trials))) == facts(here)
    code = (
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from simulated import simulated\n"
        "from mlctl_ray.search.folder import StudyFolder\n"
        "from mlctl_ray.search.proposal import propose\n"
        "from mlctl_ray.search.storage import load_study\n"
        f"config = simulated(Path({str(tmp_path)!r}), {changes!r})\n"
        "trials = load_study(config, StudyFolder.of(config)).get_trials()\n"
        "print(sorted(propose(config, trials, len(trials)).params.items()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{sorted(here.params.items())}\n"


@pytest.mark.parametrize("changes", [ONE, SEVERAL], ids=["one", "several"])
@settings(max_examples=5, deadline=None)
@given(ways=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=90, max_size=90))
def test_every_trial_is_proposed_again_from_what_was_known_then(
    changes: dict[str, Any], ways: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = simulated(Path(folder), changes | {"study.trials": 40})
    book = study_of(config, ways)
    trials = book.trials()
    asked = [book.ask(trial.number) for trial in trials]
    assert any(ask is not None and ask.running for ask in asked)
    for trial, ask in zip(trials, asked, strict=True):
        assert ask is not None
        again = propose_again(config, trials, trial.number, ask)
        assert dict(again.params) == trial.params, f"trial {trial.number}"
        assert again.ask == ask


def test_results_and_running_trials_matter_once_the_sampler_models(tmp_path: Path) -> None:
    config = simulated(tmp_path, ONE | {"study.trials": 12})
    driver = search(config)
    trials = driver.book.trials()
    here = propose(config, trials, len(trials))
    assert facts(propose(config, [_worsened(t) for t in trials], len(trials))) != facts(here)
    driver.book.born(here)
    with_running = driver.book.trials()
    number = len(with_running)
    there = propose(config, with_running, number)
    assert there.ask.running == (here.number,)
    assert dict(propose(config, trials, number).params) != dict(there.params)


def _worsened(trial: FrozenTrial) -> FrozenTrial:
    if trial.state is not TrialState.COMPLETE:
        return trial
    return optuna.trial.create_trial(
        state=trial.state,
        value=-trial.value,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
    )


@pytest.mark.parametrize("changes", [ONE, SEVERAL], ids=["one", "several"])
def test_resumed_search_proposes_what_the_undisturbed_one_would_have(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    whole = search(simulated(tmp_path / "whole", changes | {"study.trials": 10}))
    for trials in range(1, 11):
        config = simulated(tmp_path / "parts", changes | {"study.trials": trials})
        driver = Driver(config)
        drive(config, desk_of(driver.stage()))
    parts = [trial.params for trial in journal(driver.folder.root)]
    assert parts == [trial.params for trial in whole.book.trials()]


def test_studies_with_other_seeds_go_other_ways(tmp_path: Path) -> None:
    one = search(simulated(tmp_path / "one", {"study.seed": 1}))
    two = search(simulated(tmp_path / "two", {"study.seed": 2}))
    drawn = [
        [trial.params for trial in driver.book.trials() if "mlctl_variant" not in trial.user_attrs]
        for driver in (one, two)
    ]
    assert drawn[0] and not [params for params in drawn[0] if params in drawn[1]]


def test_proposal_leaves_no_trace(tmp_path: Path) -> None:
    config = simulated(tmp_path)
    driver = search(config)
    before = driver.folder.journal.read_bytes()
    propose(config, driver.book.trials(), 9)
    assert driver.folder.journal.read_bytes() == before
    assert len(load_study(config, driver.folder).get_trials()) == 9
    assert make_study(config, driver.folder).study_name == "tiny"
