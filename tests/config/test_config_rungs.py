"""No trial is compared with others before its alignment phase is over."""

from __future__ import annotations

import pytest

from mlctl_ray.config import StudyConfig, validate
from mlctl_ray.errors import InputError

LEARNING_RATE = {"type": "log_float", "low": 1e-4, "high": 1e-2}


def study(
    *, grace: int, schedule: str = "align_then_joint", space: dict[str, object] | None = None
) -> StudyConfig:
    tree = {
        "optimisation": {
            "steps": 100,
            "evaluate_every": 20,
            "align_fraction": 0.5,
            "schedule": schedule,
        },
        "study": {
            "name": "s",
            "asha": {"grace_evaluations": grace},
            "space": space or {"optimisation.learning_rate": LEARNING_RATE},
        },
    }
    return validate(StudyConfig, tree, "study")


@pytest.mark.parametrize("grace", [1, 2])
def test_rung_inside_the_alignment_phase_is_refused(grace: int) -> None:
    with pytest.raises(InputError) as caught:
        study(grace=grace)
    assert str(caught.value) == (
        f"study: study.asha.grace_evaluations: {grace} compares trials at step {20 * grace}, when "
        "some still align (to step 50) and have not begun the task; allowed: 3 or more"
    )


def test_rung_after_it_or_no_such_phase_is_allowed() -> None:
    assert study(grace=3).study.asha is not None
    assert study(grace=1, schedule="joint").study.asha is not None


def test_searched_schedule_and_fraction_count() -> None:
    schedules = {"type": "categorical", "choices": ["joint", "align_then_finetune"]}
    fractions = {"type": "float", "low": 0.1, "high": 0.7}
    with pytest.raises(InputError, match=r"align \(to step 50\)"):
        study(grace=1, schedule="joint", space={"optimisation.schedule": schedules})
    with pytest.raises(InputError, match=r"align \(to step 70\)"):
        study(grace=3, space={"optimisation.align_fraction": fractions})
    assert study(grace=4, space={"optimisation.align_fraction": fractions})
