"""Whether the time of day can be believed enough to delete by it what cannot be had again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from countersign.rules.submission import DAY

MOST_AHEAD: Final = 2 * DAY
"""Seconds that the last look, or else the newest row, may be behind at a start."""
MOST_BEHIND: Final = DAY
"""Seconds that it may be ahead; and by which the clock may have moved against the other."""
PROVEN_AFTER: Final = 7 * DAY
"""Seconds of steady running after which a clock is believed that nothing else bears out.

A host where nobody sent for a week cannot be told from a clock that is a week ahead: whoever
operates it has so long to notice.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the clock, as one process leaves it to the next."""

    at: float
    """The time of day."""
    steady_for: float
    """Seconds of running in which the clock was not set."""
    is_doubted: bool


class ClockWatch:
    """Holds the time of day against what was written down last, and against a steady clock."""

    def __init__(self, last: Look | None = None) -> None:
        """``last``: of the process before this one; None: there was none."""
        self._last = last
        self._began: tuple[float, float] | None = None
        self._before = 0.0

    def look(self, now: float, steady: float, newest: float | None) -> Look:
        """Look at the clock, from time to time, the first time at the start.

        now: Unix seconds; steady: seconds of a clock that nobody sets; newest: when the newest row
        was written, None: there is none. It serves where there was no look before: a wrong clock's
        rows would bear it out.
        """
        is_doubted = self._last is not None and self._last.is_doubted
        if self._began is None:
            self._began = (now, steady)
            then = newest if self._last is None else self._last.at
            if then is not None and not _follows(now, then):
                is_doubted = True
            elif self._last is not None:
                # Reloads are no reason to begin anew: they may come each night.
                self._before = self._last.steady_for
        elif abs((now - self._began[0]) - (steady - self._began[1])) > MOST_BEHIND:
            # Set, or the host slept.
            self._began, self._before = (now, steady), 0.0
            is_doubted = True
        steady_for = self._before + steady - self._began[1]
        is_doubted = is_doubted and steady_for < PROVEN_AFTER
        self._last = Look(now, steady_for, is_doubted)
        return self._last


def _follows(now: float, then: float) -> bool:
    return -MOST_BEHIND <= now - then <= MOST_AHEAD
