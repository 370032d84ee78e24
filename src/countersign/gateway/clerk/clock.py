"""Whether the time of day can be believed enough to delete by it what cannot be had again."""

from __future__ import annotations

from typing import Final

from countersign.rules.submission import DAY

MOST_AHEAD: Final = 2 * DAY
"""Seconds that the newest row of a journal may be behind, at the first look."""
MOST_BEHIND: Final = DAY
"""Seconds that it may be ahead; and by which the clock may have moved against the other."""
PROVEN_AFTER: Final = 7 * DAY
"""Seconds of steady running after which a clock is believed that nothing else bears out.

A host where nobody sent for a week cannot be told from a clock that is a week ahead: whoever
operates it has so long to notice.
"""


class ClockWatch:
    """Holds the time of day against what was written down last, and against a steady clock."""

    def __init__(self, *, is_doubted: bool = False) -> None:
        """``is_doubted``: it was when the process before this one looked last."""
        self._began: tuple[float, float] | None = None
        self._is_doubted = is_doubted

    def is_believable(self, now: float, steady: float, newest: float | None) -> bool:
        """Look at the clock. Called from time to time, the first time at the start.

        now: Unix seconds; steady: seconds of a clock that nobody sets; newest: when the newest row
        was written, None: there is none.
        """
        if self._began is None:
            self._began = (now, steady)
            is_borne_out = newest is None or -MOST_BEHIND <= now - newest <= MOST_AHEAD
            self._is_doubted = self._is_doubted or not is_borne_out
        elif abs((now - self._began[0]) - (steady - self._began[1])) > MOST_BEHIND:
            # Set, or the host slept. What is newest may have been written by the clock in doubt.
            self._began = (now, steady)
            self._is_doubted = True
        elif steady - self._began[1] >= PROVEN_AFTER:
            self._is_doubted = False
        return not self._is_doubted
