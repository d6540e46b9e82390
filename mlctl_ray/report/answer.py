"""The answer in words: verdict, first sentence, selection rule, and what could have been shown."""

from __future__ import annotations

from collections.abc import Mapping

from .effects import ALPHA
from .formats import points, signed_points
from .limits import limits_of
from .values import ZERO_SHOT, Answer, Comparison, Effect, Verdict

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
        detectable=_detectable(effect) if effect else None,
        limits=limits_of(comparison, effect, params, selected_params, task),
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
        "yes": "Yes: the selected configuration transfers better than the task loss alone:",
        "no": "No: the selected configuration transfers worse than the task loss alone:",
        "undecided": _undecided(effect),
    }[verdict]
    holding = f"better on {better} of the {len(corrected)} zero-shot languages"
    if worse:
        holding += f" and worse on {worse}"
    return verdict, (
        f"{opening} mean zero-shot accuracy on {comparison.split} changes by {size} ({interval}; "
        f"{seeds}); after Holm correction it is {holding}."
    )


def _undecided(effect: Effect) -> str:
    detectable = _detectable(effect)
    if not effect.covers_seeds:
        return (
            "Undecided, because effects vary over seeds and only one was run. Even for these two "
            f"models: {_inner(detectable)} For them,"
        )
    return f"Undecided: {_inner(detectable)} Here"


def _detectable(effect: Effect) -> str:
    """What a study of this size could have shown, as a sentence."""
    seeds = "1 seed" if effect.seeds == 1 else f"{effect.seeds} seeds"
    size = f"With {seeds} and {effect.examples:,} examples,"
    if effect.detectable is None:
        return f"{size} no mean zero-shot effect would have been found four times out of five."
    return (
        f"{size} a mean zero-shot effect below {points(effect.detectable)} points would have been "
        "missed more often than one time in five."
    )


def _inner(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _verdict(effect: Effect) -> Verdict:
    if not effect.covers_seeds or effect.low <= 0 <= effect.high:
        return "undecided"
    return "yes" if effect.low > 0 else "no"
