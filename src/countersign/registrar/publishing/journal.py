"""The journal: the versions of the zone that were published, in the database (RFC 1995)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, select

from countersign.registrar.operations.office import Office, Work
from countersign.registry.zone.changes import NodeChange, unpack_changes
from countersign.registry.zone.names import APEX
from countersign.storage.database.publication import ZoneVersion

_AT_ONCE = 50
_REMOVED_AT_ONCE = 500
_HEADS = (
    ZoneVersion.id,
    ZoneVersion.serial,
    ZoneVersion.follows,
    ZoneVersion.records,
    ZoneVersion.node_sum,
    ZoneVersion.at,
)


@dataclass(frozen=True, slots=True)
class Head:
    """A version without its changes."""

    id: int
    serial: int
    follows: bool
    records: int
    node_sum: bytes
    at: datetime.datetime


def latest(work: Work) -> Head | None:
    """Return the version that is published; None: none ever was."""
    return _head(work, select(*_HEADS).order_by(ZoneVersion.id.desc()))


def with_serial(work: Work, serial: int) -> Head | None:
    """Return the last version that had a serial; None: the journal has none."""
    statement = select(*_HEADS).where(ZoneVersion.serial == serial)
    return _head(work, statement.order_by(ZoneVersion.id.desc()))


def versions_after(work: Work, version_id: int) -> Iterator[tuple[Head, bytes]]:
    """Give the versions after one, each with its changes, packed; from a cursor."""
    rows = work.session.execute(
        select(*_HEADS, ZoneVersion.changes)
        .where(ZoneVersion.id > version_id)
        .order_by(ZoneVersion.id),
        execution_options={"yield_per": _AT_ONCE},
    )
    for row in rows:
        yield Head(*row[:-1]), row.changes


def changes_of(work: Work, version_id: int) -> list[NodeChange]:
    """Return the changes that led to a version; of one that follows none its apex only."""
    statement = select(ZoneVersion.changes).where(ZoneVersion.id == version_id)
    return unpack_changes(work.session.scalar(statement) or b"")


def apex_in(work: Work, version_id: int) -> bytes:
    """Return a version's apex: each has another one."""
    return next((one.after for one in changes_of(work, version_id) if one.key == APEX), b"")


def prune(office: Office) -> int:
    """Remove versions that are older, or more, than configured; never the last one."""
    publication = office.config.publication
    kept = datetime.timedelta(days=publication.journal_days)
    total = 0
    while True:
        with office.work() as work:
            ids = select(ZoneVersion.id).order_by(ZoneVersion.id.desc())
            last = work.session.scalar(ids.limit(1)) or 0
            too_many = work.session.scalar(ids.offset(publication.journal_versions).limit(1)) or 0
            old = (
                select(ZoneVersion.id)
                .where(
                    ZoneVersion.id < last,
                    (ZoneVersion.id <= too_many) | (ZoneVersion.at < work.now - kept),
                )
                .order_by(ZoneVersion.id)
                .limit(_REMOVED_AT_ONCE)
            )
            result = work.session.execute(delete(ZoneVersion).where(ZoneVersion.id.in_(old)))
            removed = int(result.rowcount)  # type: ignore[attr-defined]
        total += removed
        if removed < _REMOVED_AT_ONCE:
            return total


def _head(work: Work, statement: Select[*tuple[Any, ...]]) -> Head | None:
    row = work.session.execute(statement.limit(1)).first()
    return None if row is None else Head(*row)
