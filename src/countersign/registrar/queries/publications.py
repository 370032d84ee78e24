"""By which version of the zone a decision was published: the proof stands in its journal."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.registry.zone.changes import ChangeError, unpack_changes
from countersign.registry.zone.content import one_line
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import TXT, A, read_node, text_of_rdata
from countersign.storage.database.publication import Listing, ZoneChange, ZoneVersion

_SLACK = datetime.timedelta(seconds=60)
"""A version is dated when its making begins, by the clock of the host that makes it: what is
decided while that waits for its turn is in it, and dated later."""
_FIRST = 1
"""Key of the first version of all."""
_MOST_VERSIONS = 5000
_MOST_OCTETS = 16 * 1024 * 1024
"""That are looked through."""


@dataclass(frozen=True, slots=True)
class Publication:
    """The version that published a decision."""

    serial: int
    at: datetime.datetime
    is_whole: bool
    """It was made anew as a whole, so that the journal does not show the change by itself."""


def publication_of(work: Work, change: ZoneChange) -> Publication | None:
    """Return the version in which a host's entry became what a decision says.

    None: none has yet, the journal does not go back so far, or another decision was faster.
    """
    if not _goes_back_to(work, change.at):
        return None
    whole: Publication | None = None
    next_at = work.session.scalar(
        select(ZoneChange.at)
        .where(ZoneChange.hostname == change.hostname, ZoneChange.id > change.id)
        .order_by(ZoneChange.id)
        .limit(1)
    )
    for row in _versions(work, change.at, next_at):
        if _shows(row.changes, change):
            return Publication(row.serial, row.at, is_whole=False)
        if not row.follows and whole is None and row.at > change.at:
            whole = Publication(row.serial, row.at, is_whole=True)
    return whole


def _goes_back_to(work: Work, moment: datetime.datetime) -> bool:
    """Tell whether the journal still has what was published at a moment."""
    columns = (ZoneVersion.id, ZoneVersion.at)
    oldest = work.session.execute(select(*columns).order_by(ZoneVersion.id).limit(1)).first()
    return oldest is not None and (oldest.id == _FIRST or oldest.at <= moment)


def _versions(work: Work, begin: datetime.datetime, end: datetime.datetime | None) -> Iterator[Any]:
    statement = (
        select(ZoneVersion.serial, ZoneVersion.at, ZoneVersion.follows, ZoneVersion.changes)
        .where(ZoneVersion.at >= begin - _SLACK)
        .order_by(ZoneVersion.id)
        .limit(_MOST_VERSIONS)
    )
    if end is not None:
        statement = statement.where(ZoneVersion.at <= end + _SLACK)
    octets = 0
    with work.session.execute(statement, execution_options={"yield_per": 50}) as rows:
        for row in rows:
            yield row
            octets += len(row.changes)
            if octets > _MOST_OCTETS:
                return


def _shows(packed: bytes, change: ZoneChange) -> bool:
    key = host_key(change.hostname)
    # Most versions are about others: those need not be unpacked.
    if key == APEX or key not in packed:
        return False
    try:
        found = next((one for one in unpack_changes(packed) if one.key == key), None)
    except ChangeError:
        return False
    return found is not None and _says(found.after, change) and not _says(found.before, change)


def _says(node: bytes, change: ZoneChange) -> bool:
    """Tell whether a host's entry is what a decision says."""
    records = read_node(node)
    if change.listing is Listing.ABSENT:
        return not records
    is_registered = any(one.kind == A for one in records)
    if change.listing is Listing.REGISTERED:
        return is_registered
    texts = b" ".join(text_of_rdata(one.rdata) for one in records if one.kind == TXT)
    reason = one_line(change.text).encode()
    return bool(records) and not is_registered and reason in texts
