"""Goes through a whole copy and compares it with its sum and digests. Blocking, for a thread."""

from __future__ import annotations

import contextlib
from pathlib import Path

from countersign.registry.copy.check import Progress, check_snapshot
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.faults import Fault, ReplicaError


def check_whole(directory: Path, progress: Progress) -> CopyMeta:
    """Check the copy as it is now; return what it says of itself.

    Raises :class:`ReplicaError` (DIGEST) for a copy that is not whole, and ``CopyError``.
    """
    copy = ZoneCopy.open(directory, writable=False)
    with contextlib.closing(copy), copy.reader().snapshot() as snapshot:
        check = check_snapshot(snapshot, progress)
        if check.faults:
            raise ReplicaError(Fault.DIGEST, f"the copy is damaged: {'; '.join(check.faults)}")
        if not check.is_whole:
            raise ReplicaError(Fault.DIGEST, "the copy is not what its digest (ZONEMD) says")
        return snapshot.meta
