"""Whether a zone has lost too much to be believed.

It is held to the most records that it had within a day, or that an operator has accepted since:
many small losses in a row do not pass where one great one would not.
"""

from __future__ import annotations

import time

from countersign.registry.copy.meta import CopyMeta, Peak
from countersign.registry.replica.faults import ShrunkError
from countersign.registry.replica.settings import SHRINK_UNCHECKED

PEAK_SECONDS = 86400.0


def check_shrinking(
    serial: int, before: CopyMeta | None, records: int, *, accepted: int | None, share: float
) -> None:
    """Check how many records are left. Raises :class:`ShrunkError`.

    before: the copy; accepted: how many an operator has said may be left; share: of its records,
    which the zone may lose.
    """
    if before is None:
        return
    peak = _peak(before, time.time()).records
    base = peak if accepted is None else min(peak, accepted)
    if peak >= SHRINK_UNCHECKED and records < base * (1 - share):
        raise ShrunkError(serial, peak, records)


def peak_after(before: CopyMeta | None, records: int, *, accepted: int | None) -> Peak:
    """Return what a zone of so many records is held to from now on."""
    now = time.time()
    if before is None or accepted is not None:
        return Peak(records, now)
    peak = _peak(before, now)
    return peak if peak.records > records else Peak(records, now)


def _peak(before: CopyMeta, now: float) -> Peak:
    is_late = 0 <= now - before.peak_at < PEAK_SECONDS
    if is_late and before.peak_records > before.records:
        return Peak(before.peak_records, before.peak_at)
    return Peak(before.records, now)
