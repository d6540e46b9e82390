"""The answer in words: verdict, first sentence, selection rule, and what is not shown."""

from __future__ import annotations

from collections.abc import Mapping

from .formats import points, signed_points
from .values import ZERO_SHOT, Answer, Comparison, Effect, Verdict

ALPHA = 0.05
_FEW_SEEDS = 5

_SELECTION: Mapping[str, tuple[str, bool]] = {
    "mean_zero_shot": (
        "Configurations were selected by mean zero-shot validation accuracy: labels of the target "
        "languages chose the hyperparameters, so this is not strict zero-shot.",
        False,
    ),
    "source": (
        "Configurations were selected by validation accuracy in the source language alone: strict "
        "zero-shot.",
        True,
    ),
    "retrieval": (
        "Configurations were selected by retrieval accuracy on parallel text: no label of a target "
        "language was used, so this is strict zero-shot.",
        True,
    ),
}
_NO_SELECTION = "The rule that selected the configuration is not recorded."
_UNCONFIRMED = (
    "Undecided: no confirmation was run, and the validation numbers of a search do not answer the "
    "question."
)


def answer_of(
    comparison: Comparison | None,
    params: Mapping[str, str],
    selected_params: Mapping[str, str],
    selection: str | None,
    task: str | None,
) -> Answer:
    """Yes or no when the interval of the mean zero-shot effect leaves out zero.

    ``params`` are the study's, ``selected_params`` those of the selected configuration.
    """
    effects = _selected_effects(comparison)
    effect = effects.get(ZERO_SHOT)
    corrected = {name: e for name, e in effects.items() if e.p_holm is not None}
    clear = {name: e for name, e in corrected.items() if (e.p_holm or 0.0) < ALPHA}
    sentence, strict = _SELECTION.get(selection or "", (_NO_SELECTION, None))
    verdict, headline = _headline(comparison, effect, corrected, clear, selected_params)
    return Answer(
        verdict=verdict,
        headline=headline,
        effect=effect,
        holds=tuple(name for name, e in clear.items() if e.difference > 0),
        hurts=tuple(name for name, e in clear.items() if e.difference < 0),
        zero_shot_languages=_zero_shot_count(comparison),
        seeds=effect.seeds if effect else 0,
        selection=sentence,
        strict_zero_shot=strict,
        limits=_limits(comparison, effect, params, selected_params, task),
    )


def _selected_effects(comparison: Comparison | None) -> dict[str, Effect]:
    if comparison is None:
        return {}
    return {e.target: e for e in comparison.effects if e.variant == comparison.selected}


def _zero_shot_count(comparison: Comparison | None) -> int:
    if comparison is None:
        return 0
    return sum(row.kind == "zero_shot" for row in comparison.languages)


def _headline(
    comparison: Comparison | None,
    effect: Effect | None,
    corrected: Mapping[str, Effect],
    clear: Mapping[str, Effect],
    selected_params: Mapping[str, str],
) -> tuple[Verdict, str]:
    if comparison is None or not comparison.confirmed:
        return "undecided", _UNCONFIRMED
    if effect is None:
        return "undecided", (
            "Undecided: no pair of confirmation runs of the selected configuration and of "
            f"{comparison.baseline} with the same seed has predictions of all zero-shot languages "
            "yet, so there is no effect to state."
        )
    if selected_params.get("objective.levels") == "none":
        return "undecided", (
            "Undecided: the search selected a configuration without a contrastive level, so it is "
            f"{comparison.baseline} itself and their difference says nothing about the objective."
        )
    verdict = _verdict(effect)
    better = sum(e.difference > 0 for e in clear.values())
    worse = len(clear) - better
    size = f"{signed_points(effect.difference)} points"
    interval = f"95% interval {points(effect.low)} to {points(effect.high)}"
    seeds = "1 seed" if effect.seeds == 1 else f"{effect.seeds} seeds"
    opening = {
        "yes": "Yes: the selected configuration transfers better than the task loss alone",
        "no": "No: the selected configuration transfers worse than the task loss alone",
        "undecided": "Undecided: the selected configuration cannot be told from the task loss alone"
        if effect.seeds > 1
        else "Undecided, because effects vary over seeds and only one was run",
    }[verdict]
    holding = f"better on {better} of the {len(corrected)} zero-shot languages"
    if worse:
        holding += f" and worse on {worse}"
    return verdict, (
        f"{opening}: mean zero-shot accuracy on {comparison.split} changes by {size} ({interval}; "
        f"{seeds}); after Holm correction it is {holding}."
    )


def _verdict(effect: Effect) -> Verdict:
    if effect.seeds < 2 or effect.low <= 0 <= effect.high:
        return "undecided"
    return "yes" if effect.low > 0 else "no"


def _limits(
    comparison: Comparison | None,
    effect: Effect | None,
    params: Mapping[str, str],
    selected_params: Mapping[str, str],
    task: str | None,
) -> tuple[str, ...]:
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
            f"Bootstrap intervals from {seeds} seeds tend to be too narrow; five or more seeds "
            "give them their nominal meaning."
        )
    return ""


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
