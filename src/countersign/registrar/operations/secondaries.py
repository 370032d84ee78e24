"""Secondaries and replicas: who may transfer the zone; added, changed, removed (DESIGN §7)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from countersign.registrar.operations import secondary_keys
from countersign.registrar.operations.access import require
from countersign.registrar.operations.accounts import normalised_address
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.particulars.text import clean_text
from countersign.registry.transfer.keys import DEFAULT_ALGORITHM, TsigKey
from countersign.rules.access import Permission
from countersign.storage.database.replication import Secondary, SecondaryKind

MOST_SECONDARIES = 1000
"""At one time."""
MOST_ADDRESSES = 8
"""That one secondary is notified at."""
MAX_PLACE = 120
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z")
"""It becomes part of a name in the DNS, and an argument of commands."""
_FORM = "An address is written 192.0.2.1:53 or [2001:db8::1]:53"


@dataclass(frozen=True, slots=True)
class Details:
    """What may be changed of a secondary; see the columns of `Secondary`."""

    kind: SecondaryKind = SecondaryKind.SECONDARY
    place: str = ""
    contact: str = ""
    notify: Sequence[str] = ()
    ask: str = ""


def add(
    work: Work, actor: Actor, name: str, details: Details, algorithm: str = DEFAULT_ALGORITHM
) -> tuple[Secondary, TsigKey]:
    """Add a secondary or replica, and issue its first key.

    Raises :class:`OperationError`, :class:`ForbiddenError`.
    """
    secondary_keys.check_may_manage(actor)
    plain = name.strip().lower()
    if not _NAME.match(plain):
        raise OperationError(
            "Give it a name of at most 40 lower-case letters, digits and hyphens, for instance "
            "'frankfurt-1'."
        )
    if find(work, plain) is not None:
        raise OperationError(f"There is a secondary with the name {plain}: choose another name.")
    here = select(func.count()).select_from(Secondary).where(Secondary.removed_at.is_(None))
    if (work.session.scalar(here) or 0) >= MOST_SECONDARIES:
        raise OperationError(f"There are {MOST_SECONDARIES} secondaries: remove one first.")
    checked = _checked(work, details)
    secondary = Secondary(
        name=plain,
        kind=checked.kind,
        place=checked.place,
        contact=checked.contact,
        notify=list(checked.notify),
        ask=checked.ask,
        added_at=work.now,
    )
    work.session.add(secondary)
    work.session.flush()
    _record(work, actor, "secondary added", secondary)
    return secondary, secondary_keys.issue(work, actor, secondary.id, algorithm)


def change(work: Work, actor: Actor, secondary_id: int, details: Details) -> None:
    """Change what is known of a secondary. Raises :class:`OperationError`."""
    secondary_keys.check_may_manage(actor)
    secondary = _current(work, secondary_id)
    checked = _checked(work, details)
    secondary.kind, secondary.place = checked.kind, checked.place
    secondary.contact, secondary.ask = checked.contact, checked.ask
    secondary.notify = list(checked.notify)
    _record(work, actor, "secondary changed", secondary)


def remove(work: Work, actor: Actor, secondary_id: int) -> None:
    """Remove a secondary: all its keys are worthless at once. Raises :class:`NotFoundError`."""
    secondary_keys.check_may_manage(actor)
    secondary = _current(work, secondary_id)
    for key in secondary_keys.keys_of(work, secondary_id):
        key.revoked_at = key.revoked_at or work.now
    secondary.removed_at = work.now
    _record(work, actor, "secondary removed", secondary)


def look_at(work: Work, actor: Actor, secondary_id: int) -> Secondary:
    """Return a secondary that was not removed. Raises :class:`NotFoundError`."""
    if actor != SYSTEM:
        require(actor, Permission.SEE_SECONDARIES)
    return _current(work, secondary_id, held=False)


def find(work: Work, name: str) -> Secondary | None:
    """Return the secondary of a name that was not removed; None: there is none."""
    plain = name.strip().lower()
    if not _NAME.match(plain):
        return None
    query = select(Secondary).where(Secondary.name == plain)
    return work.session.scalar(query.where(Secondary.removed_at.is_(None)))


def checked_endpoint(text: str) -> str:
    """Return an address with its port in the standard form. Raises :class:`OperationError`."""
    host, _, port = text.strip().rpartition(":")
    in_brackets = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if in_brackets else host)
    except ValueError:
        # The text is not quoted: it may be of any length, and anything.
        raise OperationError(f"{_FORM}: an IP address and a port.") from None
    # A scope ('%eth0') means something on one host only.
    if in_brackets != (address.version == 6) or getattr(address, "scope_id", None):
        raise OperationError(f"{_FORM}.")
    if address.is_unspecified or address.is_multicast:
        raise OperationError(f"{address} is the address of no single host.")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise OperationError(f"{_FORM}: a port is a number from 1 to 65535.")
    return f"[{address}]:{int(port)}" if in_brackets else f"{address}:{int(port)}"


def _checked(work: Work, details: Details) -> Details:
    """Return details in standard form. Raises :class:`OperationError`."""
    try:
        place = clean_text(details.place)
    except ValueError as error:
        raise OperationError(str(error)) from None
    if len(place) > MAX_PLACE:
        raise OperationError(f"Name the place in at most {MAX_PLACE} characters.")
    if len(details.notify) > MOST_ADDRESSES:
        raise OperationError(f"At most {MOST_ADDRESSES} addresses are notified.")
    notify = tuple(dict.fromkeys(checked_endpoint(one) for one in details.notify))
    contact = normalised_address(work, details.contact) if details.contact.strip() else ""
    ask = checked_endpoint(details.ask) if details.ask.strip() else ""
    return Details(details.kind, place, contact, notify, ask)


def _current(work: Work, secondary_id: int, *, held: bool = True) -> Secondary:
    secondary = work.session.get(Secondary, secondary_id)
    if secondary is not None and held:
        hold(work, secondary)
    if secondary is None or secondary.removed_at is not None:
        raise NotFoundError("There is no such secondary.")
    return secondary


def _record(work: Work, actor: Actor, what: str, secondary: Secondary) -> None:
    # Without the contact: whose address it is says the page.
    work.record(
        actor,
        what,
        f"secondary:{secondary.id}",
        name=secondary.name,
        kind=secondary.kind,
        notify=secondary.notify,
        ask=secondary.ask,
    )
