"""What a person wants to see of a running stage, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_CHANCE = 1 / 3
_ROWS = 14
_STYLES = {"running": "bold", "finished": "green", "pruned": "dim", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Line:
    """One run on the board.

    Attributes:
        state: `running`, `finished`, `pruned`, `failed` or `paused`.
        objective: last value, as a share of 1.
        languages: last accuracy by language, the source first.
        rung: rungs passed, of those that there are.
        started, ended: in seconds since the epoch.
    """

    name: str
    what: str
    state: str
    step: int
    steps: int
    started: float
    objective: float | None = None
    languages: Mapping[str, float] = field(default_factory=dict)
    ended: float | None = None
    rung: str = ""
    note: str = ""

    def seconds(self, now: float) -> float:
        """Wall time since the start."""
        return (self.ended or now) - self.started


@dataclass(frozen=True, slots=True)
class Totals:
    """What stands above the table.

    Attributes:
        planned: runs of the stage.
        ended: of them, those that ended before this driver too.
        at_once: runs that are expected to be at work together.
        device_hours: used so far, of `device_hours_limit` if there is one.
        cost: of them in `currency`; None without a price.
    """

    title: str
    planned: int
    ended: int
    at_once: int
    device_hours: float
    device_hours_limit: float | None = None
    cost: float | None = None
    currency: str = ""


def sparkline(values: Sequence[float]) -> str:
    """Bars from chance (1/3, and below) to 1, one a value."""
    top = len(_BARS) - 1
    heights = (round((v - _CHANCE) / (1 - _CHANCE) * top) for v in values)
    return "".join(_BARS[min(top, max(0, h))] for h in heights)


def eta_seconds(lines: Sequence[Line], totals: Totals, now: float) -> float | None:
    """Seconds to the end of the stage if runs go on as those so far; None before any progress.

    A run is taken to need what ended runs did on average, else what the running ones will at
    their pace.
    """
    done = [line.seconds(now) for line in lines if line.state in ("finished", "pruned", "failed")]
    running = [line for line in lines if line.state == "running"]
    paced = [line.seconds(now) * line.steps / line.step for line in running if line.step]
    known = done or paced
    if not known:
        return None
    each = sum(known) / len(known)
    left = sum(max(0.0, each - line.seconds(now)) for line in running)
    waiting = max(0, totals.planned - totals.ended - len(running))
    return (left + waiting * each) / max(1, totals.at_once)


def render(
    lines: Sequence[Line], totals: Totals, errors: Sequence[str], now: float
) -> RenderableType:
    """The board: a headline, a row a run (running ones first, then the best), and errors."""
    table = Table(expand=False, pad_edge=False, header_style="bold")
    for name, justify in (
        ("run", "left"),
        ("what", "left"),
        ("step", "right"),
        ("rung", "right"),
        ("objective", "right"),
        ("languages", "left"),
        ("spread", "right"),
        ("state", "left"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    shown = _shown(lines)
    for line in shown:
        # As text, since a table reads brackets in strings as markup.
        cells = (Text(cell) for cell in _cells(line))
        table.add_row(*cells, style=_STYLES.get(line.state, ""))
    hidden = len(lines) - len(shown)
    parts: list[RenderableType] = [Text(headline(lines, totals, now)), table]
    order = next((line.languages for line in shown if line.languages), None)
    if order:
        key = f"languages: {' '.join(order)} ({_BARS[0]} chance or below, {_BARS[-1]} all right)"
        parts.append(Text(key, style="dim"))
    if hidden:
        parts.append(Text(f"and {hidden} more", style="dim"))
    parts += [Text(error, style="red") for error in errors]
    return Group(*parts)


def headline(lines: Sequence[Line], totals: Totals, now: float) -> str:
    """Runs, best so far, time left and spent budget in one line."""
    parts = [f"{totals.title}: {totals.ended} of {totals.planned} ended"]
    best = best_line(lines)
    if best is not None:
        parts.append(f"best {100 * (best.objective or 0):.1f}% ({best.name}, {best.what})")
    left = eta_seconds(lines, totals, now)
    parts.append("time left unknown" if left is None else f"about {_duration(left)} left")
    hours = f"{totals.device_hours:.2f}"
    if totals.device_hours_limit is not None:
        hours += f" of {totals.device_hours_limit:.2f}"
    parts.append(f"{hours} device-hours")
    if totals.cost is not None:
        parts.append(f"{totals.cost:.2f} {totals.currency}")
    return " · ".join(parts)


def best_line(lines: Sequence[Line]) -> Line | None:
    """The finished run with the highest objective."""
    finished = [x for x in lines if x.state == "finished" and x.objective is not None]
    return max(finished, key=lambda line: line.objective or 0.0, default=None)


def ended_line(line: Line, state: str, note: str, now: float) -> Line:
    """A run at its end."""
    return replace(line, state=state, note=note, ended=now)


def _shown(lines: Sequence[Line]) -> list[Line]:
    running = [line for line in lines if line.state in ("running", "paused")]
    ended = [line for line in lines if line.state not in ("running", "paused")]
    ended.sort(key=lambda line: (line.state != "finished", -(line.objective or 0.0)))
    return (running + ended)[:_ROWS]


def _cells(line: Line) -> tuple[str, ...]:
    values = list(line.languages.values())
    spread = f"{100 * min(values):.0f}–{100 * max(values):.0f}" if values else ""
    return (
        line.name,
        line.what,
        f"{line.step}/{line.steps}",
        line.rung,
        "" if line.objective is None else f"{100 * line.objective:.1f}%",
        sparkline(values),
        spread,
        line.state + (f" ({line.note})" if line.note else ""),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
