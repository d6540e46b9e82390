"""Everything that can be wrong with a study, found before anything is started."""

from __future__ import annotations

from ..config import StudyConfig
from ..data.sources import check_sources
from ..errors import InputError
from ..model import read_backbone_config
from ..tracking import Tracker, check_reachable, resolve_uri
from ..tracking.uri import sqlite_path
from ..training.run import evaluation_data, training_data
from .cluster import LOCAL, cluster_address
from .folder import StudyFolder, check_free
from .plan import make_plan, this_machine
from .resumption import check_folder
from .sampling import known_point


def check_study(
    config: StudyConfig,
    *,
    resume: bool,
    warm_start: str | None,
    address: str | None,
    tracking_uri: str | None,
) -> str:
    """Check configuration, data, tokenizer, tracking store and folder; the resolved URI.

    Reads and tokenises the data, so that trials find the caches ready.

    Raises:
        InputError: the first thing that is wrong.
    """
    folder = StudyFolder.of(config)
    check_free(folder)
    uri = resolve_uri(tracking_uri)
    check_reachable(uri)
    check_offline(config)
    check_folder(config, folder, resume=resume, warm_start=warm_start)
    if cluster_address(address) == LOCAL:
        make_plan(config, (this_machine(),))
    if not resume and _is_tracked(uri, config.study.name):
        raise InputError(
            f"study.name: {config.study.name!r} exists in the tracking store; start another by "
            "--set study.name=NEW, or delete that experiment"
        )
    data = training_data(config.data, config.model.text)
    data.check_batches(config)
    evaluation_data(config, data, "validation")
    return uri


def _is_tracked(uri: str, name: str) -> bool:
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return False  # a wrong study must not leave a new database
    return Tracker(uri, name).find_study() is not None


def check_offline(config: StudyConfig) -> None:
    """The checks of ``--dry-run``: sources, model folder, known points, confirmed variants.

    Raises:
        InputError: the first thing that is wrong.
    """
    for variant in config.study.known:
        known_point(config, variant)
    if config.model.name is not None:
        read_backbone_config(config.model.name)
    check_sources(config.data)


def validation_examples(config: StudyConfig) -> int:
    """Validation examples of one language, or sentence pairs if retrieval selects."""
    data = training_data(config.data, config.model.text)
    found = evaluation_data(config, data, "validation")
    if config.study.selection == "retrieval":
        return max(len(pairs.source) for pairs in found.retrieval.values())
    return max(found.counts)
