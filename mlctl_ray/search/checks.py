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
from .plan import make_plan, this_machine
from .sampling import known_point
from .storage import StudyFolder, check_folder


def check_study(
    config: StudyConfig, *, resume: bool, address: str | None, tracking_uri: str | None
) -> str:
    """Check configuration, data, tokenizer, tracking store and folder; the resolved URI.

    Reads and tokenises the data, so that trials find the caches ready.

    Raises:
        InputError: the first thing that is wrong.
    """
    uri = resolve_uri(tracking_uri)
    check_reachable(uri)
    check_offline(config)
    folder = StudyFolder.of(config)
    check_folder(config, folder, resume=resume)
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
