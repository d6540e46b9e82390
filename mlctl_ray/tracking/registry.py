"""The best model of a study in MLflow's model registry, to be loaded and served by others."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlctl_ray.errors import InputError

from .client import connect, store_errors
from .uri import resolve_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

CONTENT: Final = "mlctl.content"
"""Tag of a version: hash of the files that it was made of."""
_LABELS: Final = ("entailment", "neutral", "contradiction")
_NEEDS: Final = ("mlflow", "torch", "transformers", "tokenizers", "sentencepiece", "pandas")
_CODE: Final = Path(__file__).with_name("nli_pyfunc.py")


def register_model(
    uri: str | None,
    *,
    name: str,
    folder: Path,
    run_id: str,
    tags: Mapping[str, str],
    example: Sequence[tuple[str, str]],
) -> str:
    """Log an exported folder as a model of a run and make it the newest version of a name.

    The model takes a table with the text columns premise and hypothesis, and gives the label and
    the probability of each. Nothing is pickled: the code is the file `nli_pyfunc.py`, the
    weights are safetensors. The same folder for the same run is registered once.

    Args:
        uri: tracking store, which holds the registry too.
        name: of the registered model; characters other than letters, digits, `_`, `.` and `-`
            become `-`.
        folder: what `mlctl_ray.training.export.export_model` wrote.
        run_id: the run that the model belongs to.
        tags: of the version.
        example: pairs of premise and hypothesis, kept with the model.

    Returns:
        URI of the version, such as ``models:/mlctl-demo/1``.

    Raises:
        InputError: the store cannot be reached, or the folder is not an exported model.
        TrackingError: the store refuses or goes away.
    """
    if not (folder / "mlctl.json").is_file():
        raise InputError(f"model folder: {str(folder)!r} has no mlctl.json; export the model first")
    client = connect(resolve_uri(uri))
    name = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "mlctl"
    content = _content(folder)
    with store_errors(f"register model {name!r}"):
        version = _registered(client, name, run_id, content)
        if version is None:
            with tempfile.TemporaryDirectory(prefix="mlctl-model-") as place:
                model = Path(place) / "model"
                _save(model, folder, example)
                logged = _log(client, model, name, run_id, tags)
            version = _new_version(client, name, run_id, logged, {**tags, CONTENT: content})
    return f"models:/{name}/{version}"


def _registered(client: MlflowClient, name: str, run_id: str, content: str) -> str | None:
    """The newest version that was made of this content for this run."""
    found = client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    versions = [int(version.version) for version in found if version.tags.get(CONTENT) == content]
    return str(max(versions)) if versions else None


def _save(target: Path, folder: Path, example: Sequence[tuple[str, str]]) -> None:
    import pandas as pd
    from mlflow.pyfunc import save_model

    save_model(
        str(target),
        python_model=str(_CODE),
        artifacts={"model": str(folder)},
        signature=_signature(),
        input_example=pd.DataFrame(list(example), columns=["premise", "hypothesis"]),
        # A local build's suffix is on no index.
        pip_requirements=[f"{name}=={metadata.version(name).partition('+')[0]}" for name in _NEEDS],
    )


def _signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = [ColSpec(DataType.string, name) for name in ("premise", "hypothesis")]
    outputs = [ColSpec(DataType.string, "label")]
    outputs += [ColSpec(DataType.double, name) for name in _LABELS]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _log(
    client: MlflowClient, model: Path, name: str, run_id: str, tags: Mapping[str, str]
) -> LoggedModel:
    """Log a saved model as one of a run."""
    from mlflow.entities import LoggedModelOutput

    experiment = client.get_run(run_id).info.experiment_id
    # A logged model's own name allows less than a registered one's.
    logged = client.create_logged_model(
        experiment, name=name.replace(".", "-"), source_run_id=run_id, tags=dict(tags)
    )
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    client.log_model_artifacts(logged.model_id, str(model))
    client.finalize_logged_model(logged.model_id, "READY")
    return logged


def _new_version(
    client: MlflowClient, name: str, run_id: str, logged: LoggedModel, tags: Mapping[str, str]
) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # Not `models:/ID`: MLflow would look that up in its global store.
    version = client.create_model_version(
        name,
        source=logged.artifact_location,
        run_id=run_id,
        tags=dict(tags),
        model_id=logged.model_id,
    )
    # Shows the version on the page of the run.
    versions = json.dumps([{"name": name, "version": str(version.version)}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": versions})
    return str(version.version)


def _content(folder: Path) -> str:
    """Hash of the names and bytes of a folder's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {digest}\n".encode())
    return total.hexdigest()[:32]
