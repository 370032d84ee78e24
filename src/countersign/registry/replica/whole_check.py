"""Goes through a whole copy and compares it with its sum and digests. Blocking, for a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.reading import Snapshot
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    SimpleDigest,
    claimed_digest,
    is_same,
)
from countersign.registry.zone.names import APEX, zone_wire
from countersign.registry.zone.records import RecordError, split_node

_STEP = 2000

Progress = Callable[[int], None]
"""Called now and then with the number of records seen since the last call; may raise."""


def check_whole(directory: Path, progress: Progress) -> CopyMeta:
    """Check the copy as it is now; return what it says of itself.

    Raises :class:`ReplicaError` (DIGEST) for a copy that is not whole, and ``CopyError``.
    """
    copy = ZoneCopy.open(directory, writable=False)
    with contextlib.closing(copy), copy.reader().snapshot() as snapshot:
        try:
            _check(snapshot, progress)
        except RecordError as error:
            raise ReplicaError(
                Fault.DIGEST, f"the copy holds what are no records: {error}"
            ) from None
        return snapshot.meta


def _check(snapshot: Snapshot, progress: Progress) -> None:
    meta = snapshot.meta
    simple, total = SimpleDigest(zone_wire(meta.zone)), NodeSum()
    records, told = 0, 0
    for key, node in snapshot.nodes():
        simple.add(key, node)
        total.add(key, node)
        records += len(split_node(node))
        if records - told >= _STEP:
            progress(records - told)
            told = records
    progress(records - told)
    if records != meta.records or not is_same(total.to_bytes(), meta.node_sum):
        raise ReplicaError(Fault.DIGEST, "the copy is not what was put in place: it is damaged")
    apex = snapshot.get(APEX)
    claims = [
        (claimed_digest(apex, meta.serial, SUM, SHAKE_SUM), total.digest()),
        (claimed_digest(apex, meta.serial, SIMPLE, SHA384), simple.digest()),
    ]
    made = [(claim, found) for claim, found in claims if claim is not None]
    # RFC 8976 §4: one that fits is enough.
    if made and not any(is_same(claim, found) for claim, found in made):
        raise ReplicaError(Fault.DIGEST, "the copy is not what its digest (ZONEMD) says")
