"""The study's book: everything that is known of its trials, in Optuna's storage.

One process writes. A trial is born in one write that holds its values, so that no kill leaves half
of it; reports and ends are written before anything follows from them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ..config import StudyConfig
from . import attributes as names
from .faults import Attempts, Fault
from .measures import values_of, violations
from .proposal import Ask, Proposal
from .sampling import decode

_SESSION_PERIOD_S = 5.0


class Book:
    """Reads and writes a study.

    Args:
        study: of the storage, with the objectives of `config` as its directions.
    """

    def __init__(self, config: StudyConfig, study: optuna.Study) -> None:
        self.config = config
        self._study = study
        self._storage = study._storage
        self._study_id = study._study_id
        self._several = len(study.directions) > 1

    # What is there

    def trials(self) -> list[FrozenTrial]:
        """All trials by number, imported ones too."""
        return list(self._study.get_trials(deepcopy=False))

    def own_trials(self) -> list[FrozenTrial]:
        """The study's own trials by number."""
        return [trial for trial in self.trials() if names.IMPORTED not in trial.user_attrs]

    def trial(self, number: int) -> FrozenTrial:
        """One trial."""
        return self._storage.get_trial(self._id(number))

    def running(self) -> tuple[int, ...]:
        """Numbers of the trials that were begun and have not ended."""
        return tuple(t.number for t in self.own_trials() if t.state is TrialState.RUNNING)

    def values(self, number: int) -> dict[str, Any]:
        """Configuration values of a trial by dotted name."""
        return decode(self.trial(number).params, self.config.study.space)

    def ask(self, number: int) -> Ask | None:
        """How a trial was proposed."""
        held = self.trial(number).user_attrs.get(names.ASK)
        if held is None:
            return None
        return Ask(held["seed"], tuple(held["told"]), tuple(held["running"]))

    def attempts(self, number: int) -> Attempts:
        """Faults that a trial has survived."""
        return Attempts(**self.trial(number).user_attrs.get(names.ATTEMPTS, {}))

    def note(self, name: str) -> Any:
        """What `write_note` kept under a name; None without it."""
        return self._study.user_attrs.get(name)

    def notes(self, prefix: str) -> dict[str, Any]:
        """All notes whose name begins with `prefix`, by the rest of it."""
        held = self._study.user_attrs
        return {k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)}

    # What happens

    def born(self, proposal: Proposal) -> None:
        """Write a proposed trial as running."""
        self._add(proposal, TrialState.RUNNING, {})

    def refused(self, proposal: Proposal, reason: str) -> None:
        """Write a proposed trial whose values do not go together as failed."""
        attrs = {names.ERROR: reason, names.FAULT: Fault.CONFIGURATION.value}
        self._add(proposal, TrialState.FAIL, attrs)

    def imported(self, trial: FrozenTrial) -> None:
        """Add a trial of another study."""
        self._study.add_trial(trial)

    def reported(self, number: int, step: int, value: float) -> bool:
        """Keep the value of a rung; False if the step had one."""
        if self._several or not math.isfinite(value):
            return False
        if step in self.trial(number).intermediate_values:
            return False
        self._storage.set_trial_intermediate_value(self._id(number), step, float(value))
        return True

    def passed(self, number: int, step: int) -> None:
        """A trial was compared at a rung and goes on."""
        self._set(number, names.PASSED, step)

    def retried(self, number: int, attempts: Attempts) -> None:
        """Count a fault that a trial survives."""
        self._set(number, names.ATTEMPTS, asdict(attempts))

    def finished(self, number: int, metrics: Mapping[str, float]) -> bool:
        """A trial came to its end; False, and failed, if an objective is not finite."""
        values = values_of(self.config, metrics)
        if values is None:
            reason = "an objective is missing or not finite at the end"
            self.failed(number, Fault.CONFIGURATION, reason, metrics)
            return False
        self._set(number, names.METRICS, dict(metrics))
        self._constrain(number, metrics)
        self._end(number, TrialState.COMPLETE, values)
        return True

    def pruned(self, number: int, metrics: Mapping[str, float]) -> None:
        """The scheduler stopped a trial at a rung."""
        self._set(number, names.METRICS, dict(metrics))
        self._end(number, TrialState.PRUNED)

    def failed(self, number: int, fault: Fault, reason: str, metrics: Mapping[str, float]) -> None:
        """A trial failed."""
        self._set(number, names.METRICS, dict(metrics))
        self._set(number, names.FAULT, fault.value)
        self._set(number, names.ERROR, reason)
        self._end(number, TrialState.FAIL)

    def write_note(self, name: str, value: Any) -> None:
        """Keep a fact of the study itself."""
        self._study.set_user_attr(name, value)

    # How it is written

    def _add(self, proposal: Proposal, state: TrialState, attrs: Mapping[str, Any]) -> None:
        held: dict[str, Any] = {names.ASK: asdict(proposal.ask), **attrs}
        if proposal.variant is not None:
            held[names.VARIANT] = proposal.variant
        self._study.add_trial(
            create_trial(
                state=state,
                params=dict(proposal.params),
                distributions=dict(proposal.distributions),
                user_attrs=held,
            )
        )

    def _id(self, number: int) -> int:
        found = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return int(found)

    def _set(self, number: int, name: str, value: Any) -> None:
        self._storage.set_trial_user_attr(self._id(number), name, value)

    def _constrain(self, number: int, metrics: Mapping[str, float]) -> None:
        for name, excess in violations(self.config, metrics).items():
            self._storage.set_trial_system_attr(self._id(number), f"constraints:{name}", excess)

    def _end(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        self._storage.set_trial_state_values(self._id(number), state, values)


class Clock:
    """Wall time of the search over all its drivers, kept in the book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._before: float = sum(end - start for start, end in book.notes(names.SESSION).values())
        self._name = f"{names.SESSION}{len(book.notes(names.SESSION))}"
        self._start = time.time()
        self._written = 0.0
        self._stopped: float | None = None

    def hours(self) -> float:
        """Hours of search so far."""
        now = time.time() if self._stopped is None else self._stopped
        return float(self._before + now - self._start) / 3600

    def tick(self) -> None:
        """Keep the time, at most every few seconds; a kill loses no more than that."""
        now = time.time()
        if now - self._written >= _SESSION_PERIOD_S:
            self._book.write_note(self._name, [self._start, now])
            self._written = now

    def stop(self) -> None:
        """The search is over; what follows is not its time."""
        self._stopped = time.time()
        self._book.write_note(self._name, [self._start, self._stopped])
