"""The study's folder and its Optuna journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ..config import StudyConfig
from ..errors import InputError
from .sampling import known_point

VARIANT = "mlctl_variant"
"""User attribute of trials that are named variants."""


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Where a study keeps its journal, trials and replicates."""

    root: Path

    @classmethod
    def of(cls, config: StudyConfig) -> StudyFolder:
        """The folder of a study, absolute."""
        return cls((Path(config.study.storage).expanduser() / config.study.name).resolve())

    @property
    def journal(self) -> Path:
        """Optuna's journal file."""
        return self.root / "optuna.journal"

    def trial(self, number: int) -> Path:
        """Folder of one trial."""
        return self.root / "trials" / f"{number:05d}"

    def replicate(self, variant: str, seed: int) -> Path:
        """Folder of one confirmation run."""
        return self.root / "replicates" / f"{variant}-{seed}"


def open_study(config: StudyConfig, folder: StudyFolder, *, resume: bool) -> optuna.Study:
    """The Optuna study in the journal; a new one holds the known points first.

    The sampler's seed depends on the number of trials that exist, so that a continued study does
    not repeat its first suggestions.

    Raises:
        InputError: the study exists and is not to be resumed, or there is none to resume.
    """
    exists = folder.journal.is_file()
    if exists and not resume:
        raise InputError(
            f"study.name: {config.study.name!r} exists in {folder.root.parent}; go on with it by "
            "--resume, or start another by --set study.name=NEW"
        )
    if resume and not exists:
        raise InputError(f"--resume: no study {config.study.name!r} in {folder.root.parent}")
    folder.root.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder.journal))),
        study_name=config.study.name,
        direction="maximize",
        load_if_exists=True,
    )
    told = len(study.get_trials(deepcopy=False))
    study.sampler = TPESampler(
        multivariate=True,
        group=True,
        n_startup_trials=config.study.startup_trials,
        seed=(config.study.seed + told) % 2**32,
    )
    if not exists:
        for variant in config.study.known[: config.study.trials]:
            study.enqueue_trial(known_point(config, variant), user_attrs={VARIANT: variant})
    return study
