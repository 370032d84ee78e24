"""Bars that lie: a figure, and the limit that it must not pass. Geometry only, pure."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, HEIGHT = 240.0, 18.0


@dataclass(frozen=True, slots=True)
class Meter:
    """A bar, ready to be drawn."""

    length: float
    """Of the bar, in units of the drawing."""
    mark: float | None
    """Where the limit's mark stands; None: there is no limit."""
    tone: str
    """info, warn (four fifths of the limit are reached) or bad (all of it)."""
    width: float = WIDTH
    height: float = HEIGHT


def meter(value: int, limit: int | None, largest: int) -> Meter:
    """Return the bar of a value. largest: what the whole width stands for."""
    whole = max(largest, 1)
    return Meter(
        length=round(min(value / whole, 1.0) * WIDTH, 1),
        mark=None if limit is None or limit > whole else round(limit / whole * (WIDTH - 2) + 1, 1),
        tone=_tone(value, limit),
    )


def _tone(value: int, limit: int | None) -> str:
    if limit is None:
        return "info"
    if value >= limit:
        return "bad"
    return "warn" if value * 5 >= limit * 4 else "info"
