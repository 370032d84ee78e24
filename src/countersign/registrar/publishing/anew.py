"""Write a copy anew, as the database's image; make a version of it if it is none yet."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from countersign.registrar.operations.office import Office, Work
from countersign.registrar.publishing import orders
from countersign.registrar.publishing.copies import SOURCE
from countersign.registrar.publishing.image import form_of, image
from countersign.registrar.publishing.journal import Head, apex_in, latest
from countersign.registrar.publishing.lock import known_form, note_form, take_lock
from countersign.registrar.publishing.versions import Version, make_version
from countersign.registry.copy.replacing import Replacing
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.digest import NodeSum
from countersign.registry.zone.names import APEX
from countersign.registry.zone.serial import is_newer, next_serial
from countersign.storage.database.publication import Fact

log = structlog.get_logger()

_QUIET_SECONDS = 2.0
_PAUSE_SECONDS = 0.02
_FREE_TRIES = 2
"""Without the lock."""


def restore(office: Office, copy: ZoneCopy) -> bool:
    """Write the copy anew as the last version, without the lock; tell whether that went well.

    It needs a view of the database in which nothing waits to be published: the image is the last
    version then. Other hosts go on publishing meanwhile.
    """
    # On SQLite all who publish have this very copy, and wait for it.
    patience = 0.0 if office.database.is_sqlite else _QUIET_SECONDS
    deadline = time.monotonic() + patience
    while True:
        with office.reading() as work:
            if not orders.is_any_waiting(work):
                return _restore(work, copy)
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Anew:
    """What it led to that a copy was written anew."""

    serial: int | None
    """Of the new version; None: it is the last one."""
    answered: list[int]
    """Orders, those too that other workers are at."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A copy that was written anew from one view of the database."""

    last: Head | None
    """The version that was the last one then."""
    answered: list[int]
    apex: bytes
    version: Version | None
    """None: it is the last one."""

    @property
    def serial(self) -> int:
        """Return the serial that the copy has."""
        if self.version is not None:
            return self.version.serial
        # Without a last version there is always a new one.
        assert self.last is not None
        return self.last.serial


def publish_anew(office: Office, copy: ZoneCopy, *, above: int | None = None) -> Anew:
    """Write the copy anew, and answer all orders that waited when that began.

    If it is not the last version, or that is not of the present form, it becomes a version that
    follows none, so that secondaries take it whole. above: a serial that somebody has seen though
    the database knows it not: a version above it is made in any case.

    It takes long, and on SQLite everybody who writes waits for the lock. So it is done without it,
    and under it only if other versions were published meanwhile, each time.
    """
    for _ in range(_FREE_TRIES):
        with copy.replacing() as new:
            made = _make(office, new, above)
            with office.work() as work:
                fact = take_lock(work)
                is_last = _id(latest(work)) == _id(made.last)
                if is_last:
                    _store(work, fact, made)
            if is_last:
                return _commit(office, new, made)
    with copy.replacing() as new:
        with office.work() as work:
            fact = take_lock(work)
            made = _make(office, new, above)
            _store(work, fact, made)
        return _commit(office, new, made)


def _make(office: Office, new: Replacing, above: int | None) -> _Made:
    # One state for all that is read: what is decided after it is ordered after it.
    with office.reading() as seen:
        last, answered = latest(seen), orders.all_waiting(seen)
        _fill(seen, new)
        is_forced = above is not None or known_form(seen) != form_of(seen.config)
        apex = b"" if is_forced else _apex_if_same(seen, last, new)
        if apex:
            return _Made(last, answered, apex, None)
        version = _version(seen, last, new, above)
        return _Made(last, answered, version.apex, version)


def _store(work: Work, fact: Fact, made: _Made) -> None:
    if made.version is not None:
        work.session.add(made.version.row(work.now))
        note_form(fact, form_of(work.config))
    orders.end(work, made.answered)


def _commit(office: Office, new: Replacing, made: _Made) -> Anew:
    new.put(APEX, made.apex)
    now = office.clock().timestamp()
    new.commit(zone=office.config.zone, serial=made.serial, checked_at=now, source=SOURCE)
    if made.version is None:
        return Anew(None, made.answered)
    log.info("zone published anew", serial=made.serial, records=made.version.records)
    return Anew(made.serial, made.answered)


def _id(head: Head | None) -> int | None:
    return head.id if head is not None else None


def _restore(work: Work, copy: ZoneCopy) -> bool:
    last = latest(work)
    if last is None:
        return False
    with copy.replacing() as new:
        _fill(work, new)
        apex = _apex_if_same(work, last, new)
        if not apex:
            log.warning("the copy of the zone is not what was published", serial=last.serial)
            return False
        new.put(APEX, apex)
        now = work.now.timestamp()
        new.commit(zone=work.config.zone, serial=last.serial, checked_at=now, source=SOURCE)
    log.info("copy of the zone written anew", serial=last.serial, records=last.records)
    return True


def _fill(work: Work, new: Replacing) -> None:
    for key, node in image(work):
        new.put(key, node)


def _apex_if_same(work: Work, last: Head | None, new: Replacing) -> bytes:
    """Return the apex of the last version, if the rest of it is what was written; else nothing."""
    if last is None:
        return b""
    apex = apex_in(work, last.id)
    total = NodeSum(new.node_sum)
    total.add(APEX, apex)
    return apex if total.to_bytes() == last.node_sum else b""


def _version(work: Work, last: Head | None, new: Replacing, above: int | None) -> Version:
    now = work.now.timestamp()
    serial = last.serial if last is not None else above
    if serial is not None and above is not None and is_newer(above, serial):
        serial = above
    following = int(now) % (1 << 32) if serial is None else next_serial(serial, now)
    with new.snapshot() as snapshot:
        return make_version(work.config, snapshot, (), following, follows=False)
