"""Secondaries and replicas: who may transfer the zone; added, changed, removed (DESIGN §7)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.operations import secondary_keys
from countersign.registrar.operations.access import require
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.operations.secondary_details import Details, checked_details
from countersign.registry.transfer.keys import DEFAULT_ALGORITHM, TsigKey
from countersign.rules.access import Permission
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, AccountRole
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.replication import Secondary, SecondaryState

MOST_SECONDARIES = 1000
"""At one time."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z")
"""It becomes part of a name in the DNS, and an argument of commands."""


class Condition(StrEnum):
    """How a secondary stands towards what is published."""

    UP_TO_DATE = "up-to-date"
    CATCHING_UP = "catching-up"
    """It lacks what was published a moment ago."""
    BEHIND = "behind"
    """It has lacked something for longer than `primary.behind_seconds`."""
    AHEAD = "ahead"
    """It has a version that was never published here."""
    NEVER_SEEN = "never-seen"
    ERROR = "error"
    """The last thing that it tried, or that was tried with it, went wrong."""


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
    is_taken = f"There is a secondary with the name {plain}: choose another name."
    if find(work, plain) is not None:
        raise OperationError(is_taken)
    here = select(func.count()).select_from(Secondary).where(Secondary.removed_at.is_(None))
    if (work.session.scalar(here) or 0) >= MOST_SECONDARIES:
        raise OperationError(f"There are {MOST_SECONDARIES} secondaries: remove one first.")
    checked = checked_details(work, details)
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
    try:
        work.session.flush()
    except IntegrityError:
        # Somebody else was first, a moment ago.
        raise OperationError(is_taken) from None
    _record(work, actor, "secondary added", secondary)
    return secondary, secondary_keys.issue(work, actor, secondary.id, algorithm)


def change(work: Work, actor: Actor, secondary_id: int, details: Details) -> None:
    """Change what is known of a secondary. Raises :class:`OperationError`."""
    secondary_keys.check_may_manage(actor)
    secondary = _current(work, secondary_id)
    checked = checked_details(work, details)
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


def alert(work: Work, secondary: Secondary, condition: Condition) -> bool:
    """Write to the contact and all administrators that a secondary is behind, ahead, or well again.

    Each is told once: until the secondary is up to date again nothing more is said. Keeps
    `SecondaryState.alerted_at` itself, which must be as it was before. Conditions of no concern
    do nothing. Returns whether letters were ordered.
    """
    state = work.session.get(SecondaryState, secondary.id)
    if state is None:
        state = SecondaryState(secondary_id=secondary.id)
        work.session.add(state)
    hold(work, state)
    was_told = state.alerted_at is not None
    if condition is Condition.UP_TO_DATE and was_told:
        state.alerted_at = None
    elif condition in (Condition.BEHIND, Condition.AHEAD) and not was_told:
        state.alerted_at = work.now
    else:
        return False
    since = state.behind_since or work.now
    facts: dict[str, Any] = {
        "secondary": secondary.id,
        "serial": state.serial,
        "zone_serial": newest_serial(work),
        "minutes": int((work.now - since).total_seconds() // 60),
    }
    for reader in _readers(work, secondary):
        if condition is Condition.UP_TO_DATE:
            order_mail(work, "secondary-up-to-date", reader, **facts)
        elif condition is Condition.AHEAD:
            order_mail(work, "secondary-ahead", reader, **facts)
        else:
            order_mail(work, "secondary-behind", reader, **facts)
    return True


def newest_serial(work: Work) -> int | None:
    """Return the serial of what is published; None: nothing has been."""
    return work.session.scalar(select(ZoneVersion.serial).order_by(ZoneVersion.id.desc()).limit(1))


def _readers(work: Work, secondary: Secondary) -> list[int | None]:
    """Return the accounts of all administrators, and None for a contact that is none of them."""
    rows = work.session.execute(
        select(Account.id, Account.email)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(
            AccountRole.role == Role.ADMINISTRATOR,
            Account.disabled_at.is_(None),
            Account.email_confirmed_at.is_not(None),
        )
        .order_by(Account.id)
    ).all()
    others = bool(secondary.contact) and secondary.contact not in {email for _, email in rows}
    return [*([None] if others else []), *(key for key, _ in rows)]


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
