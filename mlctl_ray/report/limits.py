"""What a report does not show, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from .formats import points, signed_points
from .values import ZERO_SHOT, Comparison, Effect

_FEW_SEEDS = 5


def limits_of(
    comparison: Comparison | None,
    effect: Effect | None,
    params: Mapping[str, str],
    selected_params: Mapping[str, str],
    task: str | None,
) -> tuple[str, ...]:
    """Limits of the model, the data, the seeds and the question; the arguments of `answer_of`."""
    limits = [_model_limit(params)]
    if task == "embedded":
        limits.append(
            "The embedded corpus is generated from a small grammar: a result on it says that the "
            "machinery works, not what happens on XNLI."
        )
    marked = [row.label for row in comparison.languages if row.marked] if comparison else []
    if comparison and marked:
        limits.append(
            f"The tokenizer cannot read {', '.join(marked)} (more than "
            f"{comparison.unreadable_threshold:.0%} of the characters unknown): accuracies there "
            "say nothing about transfer. Averages are given with and without such languages."
        )
    if effect:
        limits.append(_seed_limit(effect.seeds))
    if comparison:
        limits.append(_language_limit(comparison))
    limits.extend(_level_limit(comparison, selected_params))
    return tuple(limit for limit in limits if limit)


def _model_limit(params: Mapping[str, str]) -> str:
    width = params.get("model.scratch.d_model")
    if width and width.lower() not in ("none", "null"):
        return (
            f"The model is a T5 trained from scratch (d_model {width}): nothing follows for a "
            "pretrained Flan-T5 or for larger models."
        )
    name = params.get("model.name")
    return f"One backbone was studied, {name}; other sizes may behave differently." if name else ""


def _seed_limit(seeds: int) -> str:
    if seeds == 1:
        return "With one seed the interval covers the choice of examples only, not of seeds."
    if seeds < _FEW_SEEDS:
        return (
            f"{seeds} seeds say little about how far seeds differ, so intervals are wide; five or "
            "more narrow them (docs/statistics.md)."
        )
    return ""


def _language_limit(comparison: Comparison) -> str:
    """What a single zero-shot language could have shown, where several are tested."""
    tested = [row.effect for row in comparison.languages if row.kind == "zero_shot" and row.effect]
    if len(tested) < 2:
        return ""
    found = [effect.detectable for effect in tested if effect.detectable is not None]
    if not found:
        return (
            "On a single zero-shot language no effect would have been found four times out of "
            "five after Holm correction: that takes more seeds."
        )
    return (
        f"On a single zero-shot language an effect below {points(min(found))} points would have "
        "been missed more often than one time in five after Holm correction."
    )


def _level_limit(comparison: Comparison | None, selected_params: Mapping[str, str]) -> list[str]:
    levels = selected_params.get("objective.levels")
    if comparison is None or levels is None or {"multi", "label"} <= set(levels.split("+")):
        return []
    own = next(
        (e for e in comparison.effects if (e.variant, e.target) == ("la-ml-ctl-cz", ZERO_SHOT)),
        None,
    )
    if own is None:
        measured = "la-ml-ctl-cz itself was not confirmed."
    else:
        measured = (
            f"la-ml-ctl-cz itself changes it by {signed_points(own.difference)} points "
            f"(95% interval {points(own.low)} to {points(own.high)})."
        )
    return [
        f"The selected configuration (levels {levels}) is not label-aware and multi-level at once; "
        + measured
    ]
