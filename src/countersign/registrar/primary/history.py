"""Which versions were published when, as far back as it matters. Pure."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable

from countersign.registry.zone.serial import is_newer, lag

KEPT = 4096
"""Versions that are remembered."""


class History:
    """The latest versions of the zone, in order."""

    def __init__(self, versions: Iterable[tuple[int, datetime.datetime]] = ()) -> None:
        """``versions``: (serial, when it was published), the oldest first."""
        self._versions: deque[tuple[int, datetime.datetime]] = deque(versions, maxlen=KEPT)

    @property
    def current(self) -> int | None:
        """The serial of the latest version."""
        return self._versions[-1][0] if self._versions else None

    def add(self, serial: int, at: datetime.datetime) -> None:
        """Note a new version, unless it is the latest that is known."""
        if serial != self.current:
            self._versions.append((serial, at))

    def clear(self) -> None:
        """Forget all."""
        self._versions.clear()

    def lacking_since(self, serial: int) -> datetime.datetime | None:
        """Return when the first version was published that one with this serial has not.

        None: it lacks nothing. It is the oldest version's moment for whoever is older than all.
        """
        current = self.current
        if current is None or not is_newer(current, serial):
            return None
        # By distance from the latest version: serials themselves go round in a circle.
        first = bisect_right(
            self._versions, -lag(serial, current), key=lambda version: -lag(version[0], current)
        )
        return self._versions[first][1]

    def is_ahead(self, serial: int) -> bool:
        """Tell whether somebody has what was never published here, or is no more."""
        current = self.current
        return current is not None and serial != current and not is_newer(current, serial)
