"""Names of the tags and MLflow's limits on what is logged."""

from __future__ import annotations

from typing import Final

ROLE: Final = "mlctl.role"
STUDY: Final = "mlctl.study"
TRIAL: Final = "mlctl.trial"
VARIANT: Final = "mlctl.variant"
SEED: Final = "mlctl.seed"
STATE: Final = "mlctl.state"
ERROR: Final = "mlctl.error"
NON_FINITE: Final = "mlctl.nonfinite"
"""Step and names of the first metrics of a run that were NaN or infinite."""
REPLACES: Final = "mlctl.replaces"
"""Run id of the study, deleted from the store, that this one was started for."""

PARENT: Final = "mlflow.parentRunId"
SOURCE_TYPE: Final = "mlflow.source.type"
SOURCE_NAME: Final = "mlflow.source.name"
SOURCE_COMMIT: Final = "mlflow.source.git.commit"

MAX_KEY: Final = 250
MAX_PARAM: Final = 6000
MAX_TAG: Final = 8000
MAX_EXPERIMENT_NAME: Final = 500
PARAMS_PER_BATCH: Final = 100
TAGS_PER_BATCH: Final = 100
METRICS_PER_BATCH: Final = 999
"""A batch holds 1000 entries of all kinds; one place is kept for the non-finite tag."""
