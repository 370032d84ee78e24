"""Whether the time of day can be believed enough to delete by it what cannot be had again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from countersign.rules.submission import DAY

MOST_AHEAD: Final = 2 * DAY
"""Seconds that what was written last may be behind, at the first look."""
MOST_BEHIND: Final = DAY
"""Seconds that it may be ahead; and by which the clock may have moved against the other."""
PROVEN_AFTER: Final = 7 * DAY
"""Seconds of steady running after which a clock is believed that nothing else bears out.

A host where nobody sent for a week cannot be told from a clock that is a week ahead: whoever
operates it has so long to notice.
"""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What one process leaves to the next that goes on doubting the clock."""

    steady_for: float
    """Seconds that it has run without the clock being set."""
    looked_at: float
    """The time of day at its last look."""


class ClockWatch:
    """Holds the time of day against what was written down last, and against a steady clock."""

    def __init__(self, doubt: Doubt | None = None) -> None:
        """``doubt``: of the process before this one; None: it believed the clock."""
        self.doubt = doubt
        """To be kept for the next process after each look; None: the clock is believed."""
        self._began: tuple[float, float] | None = None
        self._before = 0.0

    def is_believable(self, now: float, steady: float, newest: float | None) -> bool:
        """Look at the clock. Called from time to time, the first time at the start.

        now: Unix seconds; steady: seconds of a clock that nobody sets; newest: when the newest row
        was written, None: there is none.
        """
        is_doubted = self.doubt is not None
        if self._began is None:
            self._began = (now, steady)
            if self.doubt is None:
                is_doubted = newest is not None and not _follows(now, newest)
            elif _follows(now, self.doubt.looked_at):
                # Reloads are no reason to begin anew: they may come each night.
                self._before = self.doubt.steady_for
        elif abs((now - self._began[0]) - (steady - self._began[1])) > MOST_BEHIND:
            # Set, or the host slept. What is newest may have been written by the clock in doubt.
            self._began, self._before = (now, steady), 0.0
            is_doubted = True
        steady_for = self._before + steady - self._began[1]
        is_doubted = is_doubted and steady_for < PROVEN_AFTER
        self.doubt = Doubt(steady_for, now) if is_doubted else None
        return not is_doubted


def _follows(now: float, then: float) -> bool:
    return -MOST_BEHIND <= now - then <= MOST_AHEAD
