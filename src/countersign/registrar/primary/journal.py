"""The journal in the database, as IXFR sends it: each version in turn, or the sum of many."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError

from countersign.registrar.operations.office import Office, Work
from countersign.registry.transfer.answers import soa_serial
from countersign.registry.transfer.sending import Version
from countersign.registry.zone.changes import ChangeError, NodeChange, condense, unpack_changes
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import SOA, kind_of, split_node
from countersign.storage.database.publication import ZoneVersion

MOST_CONDENSED = 64 * 1024 * 1024
"""Octets of changes of which a sum is made, and of one version that is sent."""
_ALWAYS_LITTLE = 1024 * 1024
"""Octets of changes that are never thought more than the whole zone."""
_SHARE = 20
"""Octets of changes for each record of the zone: a quarter of what a record takes."""


class JournalError(Exception):
    """The journal cannot be read, or does not lead from one version to the other any more."""


@dataclass(frozen=True, slots=True)
class Span:
    """The versions that lead from one serial to another."""

    serial: int
    """Where they begin."""
    after: int
    """Key of the version that the asker has."""
    last: int
    """Key of the version that it gets."""
    versions: int
    octets: int
    largest: int


def find_span(office: Office, serial: int, newest: int) -> Span | None:
    """Return the versions between two serials; None: the journal does not lead there.

    Raises :class:`JournalError`.
    """
    with _answering(), office.reading() as work:
        return _find_span(work, serial, newest)


def _find_span(work: Work, serial: int, newest: int) -> Span | None:
    after, last = _key(work, serial), _key(work, newest)
    if after is None or last is None or after >= last:
        return None
    size = func.length(ZoneVersion.changes)
    breaks = func.sum(case((ZoneVersion.follows, 0), else_=1))
    versions, octets, largest, broken = work.session.execute(
        select(func.count(), func.sum(size), func.max(size), breaks).where(
            ZoneVersion.id > after, ZoneVersion.id <= last
        )
    ).one()
    return None if broken else Span(serial, after, last, versions, int(octets), largest)


def is_too_much(span: Span, records: int, condense_versions: int) -> bool:
    """Tell whether the whole zone is the better answer.

    records: how many the zone has.
    """
    if span.largest > MOST_CONDENSED or span.octets > max(_ALWAYS_LITTLE, records * _SHARE):
        return True
    return span.versions > condense_versions and span.octets > MOST_CONDENSED


def each_version(office: Office, span: Span) -> Iterator[Version]:
    """Give the versions one by one, each read when it is taken.

    No transaction is held between them: a slow asker must not keep the database from tidying up.
    Raises :class:`JournalError` where one was removed in the meantime.
    """
    after, serial = span.after, span.serial
    while after < span.last:
        after, version = _next(office, after, span.last)
        if soa_serial(version[0]) != serial:
            raise JournalError("a version does not begin where another ended")
        serial = soa_serial(version[1])
        yield version


def sum_of_versions(office: Office, span: Span) -> Version:
    """Return one version that does what all do (RFC 1995 §5). Raises :class:`JournalError`."""
    ends: list[bytes] = []

    def changes() -> Iterator[list[NodeChange]]:
        for before, after, one in each_version(office, span):
            ends[1:] = [after] if ends else [before, after]
            yield list(one)

    try:
        net = condense(changes())
    except ChangeError as error:
        raise JournalError(str(error)) from None
    return (*_two(ends), net)


def soa_of(node: bytes) -> bytes | None:
    """Return the SOA record of an apex."""
    return next((one for one in split_node(node) if kind_of(one) == SOA), None)


def _key(work: Work, serial: int) -> int | None:
    return work.session.scalar(
        select(ZoneVersion.id)
        .where(ZoneVersion.serial == serial)
        .order_by(ZoneVersion.id.desc())
        .limit(1)
    )


def _next(office: Office, after: int, last: int) -> tuple[int, Version]:
    with _answering(), office.reading() as work:
        row = work.session.execute(
            select(ZoneVersion.id, ZoneVersion.follows, ZoneVersion.changes)
            .where(ZoneVersion.id > after, ZoneVersion.id <= last)
            .order_by(ZoneVersion.id)
            .limit(1)
        ).one_or_none()
    if row is None or not row.follows:
        raise JournalError("a version is no longer in the journal")
    try:
        changes = unpack_changes(row.changes)
    except ChangeError as error:
        raise JournalError(f"version {row.id} of the journal is damaged: {error}") from None
    apex = next((change for change in changes if change.key == APEX), None)
    before, after_soa = (soa_of(apex.before), soa_of(apex.after)) if apex else (None, None)
    if before is None or after_soa is None:
        raise JournalError(f"version {row.id} of the journal has no new SOA record")
    return row.id, (before, after_soa, changes)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Raise :class:`JournalError` where the database does not answer."""
    try:
        yield
    except SQLAlchemyError as error:
        raise JournalError(f"the database does not answer: {type(error).__name__}") from error


def _two(ends: list[bytes]) -> tuple[bytes, bytes]:
    if len(ends) != 2:
        raise JournalError("there is no version between the two")
    return ends[0], ends[1]
