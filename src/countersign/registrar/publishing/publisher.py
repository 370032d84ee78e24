"""Publishes decisions: versions of the zone, made from the database under a lock (DESIGN §7).

A publication is one transaction: it finds out what waiting orders are about, compares what the
database says of it with the last version, and writes the next one to the journal. Then it brings
its copy there. If it dies between the two, the copy is behind, and the journal leads it on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from countersign.registrar.operations.office import Office, Work
from countersign.registrar.publishing import orders
from countersign.registrar.publishing.anew import publish_anew, restore
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registrar.publishing.following import Place, advance, follow
from countersign.registrar.publishing.image import form_of
from countersign.registrar.publishing.lock import known_form, take_lock
from countersign.registrar.publishing.orders import Orders
from countersign.registrar.publishing.versions import (
    Version,
    make_version,
    says_the_same,
    touched,
)
from countersign.registry.copy.errors import CopyBusyError, CopyError, DivergedError
from countersign.registry.copy.reading import Snapshot
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.names import APEX
from countersign.registry.zone.serial import next_serial

log = structlog.get_logger()

_ATTEMPTS = 5
_BUSY_SECONDS = 3600.0
"""Ten million servers take about that long."""
_BUSY_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Step:
    """What became of some orders."""

    serial: int | None
    """Of the version that they made; None: the zone said so already."""
    last: int | None
    """The last of the orders; None: there was none."""


def publish(office: Office, own: int | None = None) -> list[int]:
    """Publish what was ordered; return the serials of the versions that this made.

    Many orders make one version, very many some versions. own: the key of the order that the
    calling worker is at. Raises :class:`~countersign.registry.copy.errors.CopyError`.
    """
    with open_zone_copy(office) as copy:
        return _publish_all(office, copy, own)


def ensure_published(office: Office) -> None:
    """See to it that the zone and the copy are what database and settings make them.

    For the start: what was ordered while nobody worked, other settings, a copy that was lost,
    and the first version of all. Waits while another process, the primary say, writes the copy
    anew. Raises :class:`~countersign.registry.copy.errors.CopyError`, and
    :class:`~countersign.registry.zone.names.OwnerNameError` for settings that make no apex.
    """
    with open_zone_copy(office) as copy:
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return _ensure_published(office, copy)
            except CopyBusyError as error:
                if time.monotonic() > deadline:
                    raise
                log.info("the zone is not published yet", reason=str(error))
                time.sleep(_BUSY_PAUSE_SECONDS)


def _ensure_published(office: Office, copy: ZoneCopy) -> None:
    with office.reading() as work:
        is_of_this_form = known_form(work) == form_of(office.config)
    if not is_of_this_form:
        publish_anew(office, copy)
    _publish_some(office, copy, 0, with_apex=True)
    _publish_all(office, copy, None)


def catch_up(office: Office, copy: ZoneCopy) -> None:
    """Bring a copy to the last version: by the journal, or anew.

    A version is made only if the database's image is none that was published. Raises
    :class:`~countersign.registry.copy.errors.CopyError`.
    """
    for _ in range(_ATTEMPTS):
        before = copy.meta()
        place = follow(office, copy)
        if place is Place.CURRENT:
            return
        if place is Place.ASTRAY:
            # Its readers have seen that serial: they follow a later one only.
            publish_anew(office, copy, above=before.serial if before is not None else None)
        elif not restore(office, copy):
            publish_anew(office, copy)
    raise CopyError("the copy of the zone could not be brought up to date: it is tried again")


def check_copy(office: Office) -> list[str]:
    """Go through the whole copy; write it anew if it is damaged. Returns what was wrong.

    A version that was made with a damaged copy to compare with does not fit its sum: then another
    one follows, that leads on from none. Raises ``CopyError``.
    """
    with open_zone_copy(office) as copy:
        catch_up(office, copy)
        faults = copy.verify()
        if faults:
            log.error("the copy of the zone is damaged", faults=faults)
            if not restore(office, copy):
                publish_anew(office, copy)
        return faults


def _publish_all(office: Office, copy: ZoneCopy, own: int | None) -> list[int]:
    serials, after = [], 0
    while _is_any_waiting(office, after):
        step = _publish_some(office, copy, after, own=own)
        if step.serial is not None:
            serials.append(step.serial)
        if step.last is None:
            break
        # Those that other workers are at stay; each of them will look by itself.
        after = step.last
    return serials


def _is_any_waiting(office: Office, after: int) -> bool:
    with office.reading() as work:
        return orders.is_any_waiting(work, after)


def _publish_some(
    office: Office,
    copy: ZoneCopy,
    after: int,
    *,
    own: int | None = None,
    with_apex: bool = False,
) -> _Step:
    """Make one version of the first orders behind a key, if they change anything."""
    for _ in range(_ATTEMPTS):
        # A copy that is to be written anew takes long: not under the lock, if it can be.
        catch_up(office, copy)
        draft = _publish_under_lock(office, copy, after, own, with_apex=with_apex)
        if draft is None:
            continue
        version, some = draft
        if some.whole:
            made = publish_anew(office, copy)
            return _Step(made.serial, max(made.answered, default=None))
        if version is not None:
            _bring_up(office, copy, version)
        return _Step(version.serial if version else None, max(some.ids, default=None))
    raise CopyError("the copy of the zone is lost again and again: it is tried later")


def _publish_under_lock(
    office: Office, copy: ZoneCopy, after: int, own: int | None, *, with_apex: bool
) -> tuple[Version | None, Orders] | None:
    """Write the next version to the journal, and end the orders that it answers.

    Returns None if the copy is not the last version, and an order for the whole unanswered.
    """
    with office.work() as work:
        take_lock(work)
        if follow(office, copy) is not Place.CURRENT:
            return None
        # One state for all that is read, seen after the lock was taken. So every version that was
        # committed is in it, and of every decision either all (its order and what it changed) or
        # nothing; READ COMMITTED, as of the transaction that writes, would show a state for each
        # statement, and REPEATABLE READ there the state of before the wait for the lock.
        with office.reading() as seen:
            some = orders.collect(seen, after, own)
            if some.whole:
                return None, some
            with copy.reader().snapshot() as snapshot:
                version = _next_version(seen, snapshot, some, with_apex=with_apex)
        if version is not None:
            work.session.add(version.row(work.now))
        orders.end(work, some.ids)
    if version is not None:
        log.info(
            "zone published",
            serial=version.serial,
            names=len(version.changes) - 1,
            orders=len(some.ids),
            records=version.records,
        )
    return version, some


def _next_version(
    work: Work, snapshot: Snapshot, some: Orders, *, with_apex: bool
) -> Version | None:
    changes = touched(work, snapshot, some.hosts, some.addresses)
    serial = snapshot.meta.serial
    is_same_apex = not with_apex or says_the_same(work.config, snapshot.get(APEX), serial)
    if not changes and is_same_apex:
        return None
    following = next_serial(serial, work.now.timestamp())
    return make_version(work.config, snapshot, changes, following, follows=True)


def _bring_up(office: Office, copy: ZoneCopy, version: Version) -> None:
    try:
        advance(office, copy, version.serial, version.node_sum, version.changes)
    except DivergedError:
        # Another process, of the primary say, has brought it there by the journal.
        catch_up(office, copy)
