"""Bring a copy up to the last version, by the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from countersign.registrar.operations.office import Office, Work
from countersign.registrar.publishing.copies import SOURCE
from countersign.registrar.publishing.journal import Head, latest, versions_after, with_serial
from countersign.registry.copy.errors import DivergedError
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.changes import ChangeError, NodeChange, condense, unpack_changes
from countersign.registry.zone.serial import is_newer

_VERSIONS_AT_ONCE = 500
_OCTETS_AT_ONCE = 16 * 1024 * 1024


class Place(Enum):
    """Where a copy stands."""

    CURRENT = auto()
    """It is the last version."""
    LOST = auto()
    """There is none, or the journal does not lead from it to the last version."""
    ASTRAY = auto()
    """It was published, and the database does not know it: a database that was restored."""


@dataclass(frozen=True, slots=True)
class _Step:
    to: Head
    changes: list[NodeChange]


def follow(office: Office, copy: ZoneCopy) -> Place:
    """Apply to a copy what the journal has that it lacks; tell where it stands then.

    Safe beside others that do the same. Raises
    :class:`~countersign.registry.copy.errors.CopyError`.
    """
    while True:
        # Before the database is looked at: a version that a copy has is in the database.
        meta = copy.meta()
        with office.reading() as work:
            found = _look(work, meta)
        if isinstance(found, Place):
            if found is Place.CURRENT:
                copy.touch(office.clock().timestamp())
            return found
        try:
            advance(office, copy, found.to.serial, found.to.node_sum, found.changes)
        except DivergedError:
            if _serial(copy.meta()) == _serial(meta):
                return Place.LOST
            # Another process was first.


def advance(
    office: Office, copy: ZoneCopy, serial: int, node_sum: bytes, changes: Sequence[NodeChange]
) -> None:
    """Apply changes that lead to a version. Raises :class:`DivergedError`."""
    now = office.clock().timestamp()
    # How many records that makes the copy counts itself.
    meta = CopyMeta(office.config.zone, serial, 0, node_sum, now, now, SOURCE)
    copy.apply(changes, meta)


def _serial(meta: CopyMeta | None) -> int | None:
    return meta.serial if meta is not None else None


def _look(work: Work, meta: CopyMeta | None) -> Place | _Step:
    last = latest(work)
    if meta is None:
        return Place.LOST
    if last is None:
        return Place.ASTRAY
    known = with_serial(work, meta.serial)
    if known is None:
        return Place.ASTRAY if is_newer(meta.serial, last.serial) else Place.LOST
    if known.node_sum != meta.node_sum:
        return Place.ASTRAY
    if meta.zone != work.config.zone:
        return Place.LOST
    return Place.CURRENT if known.id == last.id else _next(work, known)


def _next(work: Work, known: Head) -> Place | _Step:
    to, packed, octets = known, list[bytes](), 0
    for version, changes in versions_after(work, known.id):
        if not version.follows:
            return Place.LOST
        to = version
        packed.append(changes)
        octets += len(changes)
        if octets > _OCTETS_AT_ONCE or len(packed) >= _VERSIONS_AT_ONCE:
            break
    try:
        return _Step(to, condense(unpack_changes(one) for one in packed))
    except ChangeError:
        return Place.LOST
