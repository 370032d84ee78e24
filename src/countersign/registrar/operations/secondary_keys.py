"""TSIG keys of secondaries: issued, rotated, revoked, shown again (RFC 8945, DESIGN §7).

A secret stands in the database only sealed, and in no record of what was done with it.
"""

from __future__ import annotations

import datetime
import secrets
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, and_, or_, select

from countersign.registrar.operations.access import require
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.vault.envelope import VaultError
from countersign.registry.transfer.keys import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    TsigKey,
    TsigKeyError,
)
from countersign.rules.access import Permission
from countersign.storage.database.replication import Secondary, SecondaryKey

log = structlog.get_logger()

MOST_GOOD_KEYS = 8
"""Of one secondary at a time."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that is good, and whose it is."""

    secondary_id: int
    name: str
    """Of the secondary."""
    key: TsigKey


def keys_now(work: Work) -> dict[str, IssuedKey]:
    """Return all keys that are good now, by their names: for the primary.

    A key that cannot be opened is left out, and the log says so: the others go on.
    """
    rows = work.session.execute(
        select(SecondaryKey, Secondary)
        .join(Secondary, Secondary.id == SecondaryKey.secondary_id)
        .where(_is_good(work), Secondary.removed_at.is_(None))
        .order_by(SecondaryKey.id)
    ).all()
    found: dict[str, IssuedKey] = {}
    for row, secondary in rows:
        try:
            key = _opened(work, row)
        except OperationError as error:
            log.error("TSIG key cannot be used", key=row.name, reason=str(error))
            continue
        found[key.name] = IssuedKey(secondary.id, secondary.name, key)
    return found


def keys_of(work: Work, secondary_id: int) -> list[SecondaryKey]:
    """Return all keys that a secondary ever had, the last one first."""
    query = select(SecondaryKey).where(SecondaryKey.secondary_id == secondary_id)
    return list(work.session.scalars(query.order_by(SecondaryKey.id.desc())))


def is_good(work: Work, key: SecondaryKey) -> bool:
    """Tell whether a key may be used now; its secondary is not asked."""
    return key.revoked_at is None and (key.ends_at is None or key.ends_at > work.now)


def current_key(work: Work, secondary_id: int) -> SecondaryKey:
    """Return the last of a secondary's good keys. Raises :class:`NotFoundError`."""
    found = [key for key in keys_of(work, secondary_id) if is_good(work, key)]
    if not found:
        raise NotFoundError("This secondary has no key that is good: issue one.")
    return found[0]


def issue(
    work: Work, actor: Actor, secondary_id: int, algorithm: str = DEFAULT_ALGORITHM
) -> TsigKey:
    """Make a further key; those that are good stay so. Raises :class:`OperationError`."""
    check_may_manage(actor)
    return _make(work, actor, _held(work, secondary_id), algorithm, "secondary key issued")


def rotate(
    work: Work, actor: Actor, secondary_id: int, algorithm: str = DEFAULT_ALGORITHM
) -> TsigKey:
    """Make a key in place of the others, which end after `primary.key_overlap_hours`.

    A key that ends before that anyway keeps its end. Raises :class:`OperationError`.
    """
    check_may_manage(actor)
    secondary = _held(work, secondary_id)
    old = [key for key in keys_of(work, secondary_id) if is_good(work, key)]
    made = _make(work, actor, secondary, algorithm, "secondary keys rotated")
    end = work.now + datetime.timedelta(hours=work.config.primary.key_overlap_hours)
    for key in old:
        key.ends_at = end if key.ends_at is None else min(end, key.ends_at)
    return made


def revoke(work: Work, actor: Actor, secondary_id: int, key_id: int) -> SecondaryKey:
    """Make a key worthless at once. Raises :class:`NotFoundError`."""
    check_may_manage(actor)
    row = _key(work, secondary_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = work.now
        _record(work, actor, "secondary key revoked", row)
    return row


def reveal(work: Work, actor: Actor, secondary_id: int, key_id: int) -> TsigKey:
    """Return a key with its secret, once more; the look is recorded.

    Raises :class:`NotFoundError`, and :class:`OperationError` for a key that is no longer good.
    """
    check_may_manage(actor)
    row = _key(work, secondary_id, key_id)
    secondary = work.session.get_one(Secondary, secondary_id)
    if secondary.removed_at is not None or not is_good(work, row):
        raise OperationError("This key is no longer good: nobody needs to see it.")
    _record(work, actor, "secondary key revealed", row)
    return _opened(work, row)


def check_may_manage(actor: Actor) -> None:
    """Raise :class:`ForbiddenError` unless an actor may change secondaries and their keys."""
    if actor != SYSTEM:
        require(actor, Permission.MANAGE_SECONDARIES)


def _held(work: Work, secondary_id: int) -> Secondary:
    secondary = work.session.get(Secondary, secondary_id)
    if secondary is not None:
        # Two who rotate at once come one by one, so that no key is left without an end.
        hold(work, secondary)
    if secondary is None or secondary.removed_at is not None:
        raise NotFoundError("There is no such secondary.")
    return secondary


def _make(work: Work, actor: Actor, secondary: Secondary, algorithm: str, what: str) -> TsigKey:
    if algorithm not in ALGORITHMS:
        raise OperationError(f"Choose one of the algorithms {', '.join(ALGORITHMS)}.")
    good = [key for key in keys_of(work, secondary.id) if is_good(work, key)]
    if len(good) >= MOST_GOOD_KEYS:
        raise OperationError(
            f"A secondary has {MOST_GOOD_KEYS} good keys at the most: revoke one first."
        )
    key = _generate(work, secondary, algorithm)
    row = SecondaryKey(
        secondary_id=secondary.id,
        name=key.name,
        algorithm=key.algorithm,
        sealed=work.keyring.seal(key.secret, _context(key.name)),
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    _record(work, actor, what, row)
    return key


def _generate(work: Work, secondary: Secondary, algorithm: str) -> TsigKey:
    while True:
        name = f"{secondary.name}-{secrets.token_hex(3)}.{work.config.zone}"
        try:
            key = TsigKey.generate(name, algorithm)
        except TsigKeyError as error:
            raise OperationError(f"The zone's name makes no name of a key: {error}.") from None
        taken = select(SecondaryKey.id).where(SecondaryKey.name == key.name)
        if work.session.scalar(taken) is None:
            return key


def _key(work: Work, secondary_id: int, key_id: int) -> SecondaryKey:
    row = work.session.get(SecondaryKey, key_id)
    if row is None or row.secondary_id != secondary_id:
        raise NotFoundError("There is no such key.")
    return row


def _opened(work: Work, row: SecondaryKey) -> TsigKey:
    try:
        return TsigKey(row.name, row.algorithm, work.keyring.open(row.sealed, _context(row.name)))
    except (VaultError, TsigKeyError) as error:
        raise OperationError(f"The key {row.name} cannot be opened: {error}.") from None


def _record(work: Work, actor: Actor, what: str, row: SecondaryKey) -> None:
    subject = f"secondary:{row.secondary_id}"
    work.record(actor, what, subject, key=row.name, algorithm=row.algorithm)


def _is_good(work: Work) -> ColumnElement[bool]:
    return and_(
        SecondaryKey.revoked_at.is_(None),
        or_(SecondaryKey.ends_at.is_(None), SecondaryKey.ends_at > work.now),
    )


def _context(name: str) -> bytes:
    return f"tsig:{name}".encode()
