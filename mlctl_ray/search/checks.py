"""Everything that can be wrong with a study, found before anything is started."""

from __future__ import annotations

from ..config import StudyConfig
from ..data.sources import check_sources
from ..errors import InputError
from ..model import read_backbone_config
from ..tracking import Tracker, check_reachable, resolve_uri
from ..training.run import evaluation_data, training_data
from .sampling import known_point
from .storage import StudyFolder, open_study


def check_study(config: StudyConfig, *, resume: bool, tracking_uri: str | None) -> str:
    """Check configuration, data, tokenizer, tracking store and folder; the resolved URI.

    Reads and tokenises the data, so that trials find the caches ready.

    Raises:
        InputError: the first thing that is wrong.
    """
    uri = resolve_uri(tracking_uri)
    check_reachable(uri)
    check_offline(config)
    folder = StudyFolder.of(config)
    if folder.journal.is_file() != resume:
        open_study(config, folder, resume=resume)
    if not resume and Tracker(uri, config.study.name).find_study() is not None:
        raise InputError(
            f"study.name: {config.study.name!r} exists in the tracking store; start another by "
            "--set study.name=NEW, or delete that experiment"
        )
    data = training_data(config.data, config.model.text)
    data.check_batches(config)
    evaluation_data(config, data, "validation")
    return uri


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
