"""The study's folder and its Optuna journal."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ..config import StudyConfig, flatten, load_config, plain, to_yaml
from ..errors import InputError
from .sampling import known_point

METRICS_FILE = "metrics.json"
"""What a run leaves in its folder at its end."""

VARIANT = "mlctl_variant"
"""User attribute of trials that are named variants."""


CHANGEABLE = (
    "study.trials",
    "study.max_hours",
    "study.asha",
    "study.concurrency",
    "study.confirmation",
    "study.price_per_device_hour",
    "study.currency",
)
"""Fields that may be another at a resumption: they change no trial."""


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

    @property
    def config(self) -> Path:
        """The study's resolved configuration."""
        return self.root / "study.yaml"

    def trial(self, number: int) -> Path:
        """Folder of one trial."""
        return self.root / "trials" / f"{number:05d}"

    def replicate(self, variant: str, seed: int) -> Path:
        """Folder of one confirmation run."""
        return self.root / "replicates" / f"{variant}-{seed}"


def _check_unchanged(config: StudyConfig, folder: StudyFolder) -> None:
    if not folder.config.is_file():
        return
    before = flatten(plain(load_config(StudyConfig, folder.config)))
    now = flatten(plain(config))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) == now.get(name):
            continue
        if not any(name == field or name.startswith(field + ".") for field in CHANGEABLE):
            raise InputError(
                f"--resume: {name} is {now.get(name)!r}, but the study was begun with "
                f"{before.get(name)!r}; allowed to change: {', '.join(CHANGEABLE)}"
            )


def check_folder(config: StudyConfig, folder: StudyFolder, *, resume: bool) -> None:
    """Whether the study can be begun, or gone on with, in its folder; changes nothing.

    Raises:
        InputError: the study exists and is not to be resumed; there is none to resume; it was
            begun with another configuration; or its confirmation has used the test split and
            there would be more trials.
    """
    exists = folder.journal.is_file()
    if exists and not resume:
        raise InputError(
            f"study.name: {config.study.name!r} exists in {folder.root.parent}; go on with it by "
            "--resume, or start another by --set study.name=NEW"
        )
    if resume and not exists:
        raise InputError(f"--resume: no study {config.study.name!r} in {folder.root.parent}")
    if resume:
        _check_unchanged(config, folder)
        _check_confirmation(config, folder)


def _check_confirmation(config: StudyConfig, folder: StudyFolder) -> None:
    if not any(folder.root.glob(f"replicates/*/{METRICS_FILE}")):
        return
    study = optuna.load_study(study_name=config.study.name, storage=_storage(folder))
    trials = study.get_trials(deepcopy=False)
    ended = sum(trial.state.is_finished() for trial in trials)
    if ended < config.study.trials:
        raise InputError(
            f"study.trials: {config.study.trials} is more than the {ended} that the confirmation "
            "on test was based on; start another study by --set study.name=NEW"
        )


def _storage(folder: StudyFolder) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(folder.journal)))


def open_study(config: StudyConfig, folder: StudyFolder, *, resume: bool) -> optuna.Study:
    """The Optuna study in the journal; a new one holds the known points first.

    The sampler's seed depends on the number of trials that exist, so that a continued study does
    not repeat its first suggestions.

    Raises:
        InputError: as `check_folder`.
    """
    check_folder(config, folder, resume=resume)
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(to_yaml(config), encoding="utf-8")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    study = optuna.create_study(
        storage=_storage(folder),
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
    if not resume:
        for variant in config.study.known[: config.study.trials]:
            study.enqueue_trial(known_point(config, variant), user_attrs={VARIANT: variant})
    return study
