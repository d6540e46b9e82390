"""How numbers are written: accuracies and differences in points of 100, true minus signs."""

from __future__ import annotations

from .objectives import is_accuracy

NONE = "–"
_MINUS = "−"


def points(value: float | None, digits: int = 1) -> str:
    """``0.1234`` -> ``12.3``; ``-0.02`` -> ``−2.0``; ``None`` -> an en dash."""
    if value is None:
        return NONE
    return _number(100 * value, digits)


def signed_points(value: float | None, digits: int = 1) -> str:
    """As `points`, with a plus sign for positive numbers."""
    text = points(value, digits)
    return f"+{text}" if value is not None and not text.startswith(_MINUS) and value > 0 else text


def percent(value: float | None, digits: int = 1) -> str:
    """A number that is percent already, such as a published accuracy."""
    return NONE if value is None else f"{value:.{digits}f}"


def p_value(value: float | None) -> str:
    """Three digits; never a rounded zero."""
    if value is None:
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number."""
    return NONE if value is None else _number(value, digits)


def amount(value: float | None) -> str:
    """A count without digits after the point, any other number with two."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value == round(value) else _number(value, 2)


def measure(value: float | None, key: str) -> str:
    """A metric by its kind: accuracies in %, anything else as three significant digits."""
    if value is None:
        return NONE
    return points(value) if is_accuracy(key) else f"{value:.3g}".replace("-", _MINUS)


def parameter(text: str | None) -> str:
    """A hyperparameter: floats shortened to three significant digits, anything else as it is."""
    if text is None:
        return NONE
    try:
        value = float(text)
    except ValueError:
        return text
    if value == float("inf"):
        return "∞"
    return text if value.is_integer() else f"{value:.3g}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", _MINUS)
