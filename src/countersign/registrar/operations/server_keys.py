"""Public keys of a server: those that sign (RFC 6376, RFC 8463), pins of its TLS key (RFC 6698)."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select

from countersign.mail.dkim.key_record import normalise_key_record, normalise_selector
from countersign.registrar.operations.access import require
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.holdings import check_registered
from countersign.registrar.operations.listing import order_publication
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Actor, NotFoundError, OperationError, Work
from countersign.registrar.operations.transitions import add_event
from countersign.registry.file import parse_pin
from countersign.registry.lookup import KeyPin
from countersign.registry.zone.content import can_sign
from countersign.rules.access import Permission
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.servers import Server

KEYS_OF_PURPOSE = 10
"""Keys of one purpose that a server may have at a time: old and new ones of several hosts."""
_DIGEST_LENGTHS = {1: 32, 2: 64}


class KeyPurpose(StrEnum):
    """What a key is for; see `ServerKey.purpose`."""

    DKIM = "dkim"
    TLS = "tls"


def register_key(
    work: Work,
    actor: Actor,
    server: Server,
    purpose: KeyPurpose,
    *,
    content: str,
    selector: str = "",
) -> ServerKey:
    """Register a key, and order that it be published.

    content: a DKIM key record, or a pin as in a TLSA record. selector: of a DKIM key. Raises
    :class:`OperationError` that says what is wrong with the key.
    """
    require(actor, Permission.MANAGE_HOLDINGS)
    hold(work, server)
    check_registered(server)
    name, record = _checked(purpose, selector, content)
    if name and not can_sign(server.hostname, name, work.config.zone):
        raise OperationError("The selector makes the key's name too long: take a shorter one.")
    present = [key for key in keys_of(work, server) if key.purpose == purpose]
    if any((key.selector, key.content) == (name, record) for key in present):
        raise OperationError("This key is registered already.")
    if name and any(key.selector == name for key in present):
        raise OperationError("There is a key with this selector: revoke it, or take another one.")
    if len(present) >= KEYS_OF_PURPOSE:
        raise OperationError("There are too many keys: revoke those that are not in use.")
    key = ServerKey(
        server_id=server.id,
        purpose=str(purpose),
        selector=name,
        content=record,
        registered_at=work.now,
    )
    work.session.add(key)
    work.session.flush()
    details = {"key": key.id, "purpose": str(purpose)}
    event = add_event(work, server, Deed.KEY_REGISTERED, actor, details=details)
    order_publication(work, server, event)
    return key


def revoke_key(work: Work, actor: Actor, server: Server, key_id: int) -> ServerKey:
    """Revoke a key, and order that this be published. Raises :class:`NotFoundError`."""
    require(actor, Permission.MANAGE_HOLDINGS)
    hold(work, server)
    key = work.session.get(ServerKey, key_id)
    if key is None or key.server_id != server.id or key.revoked_at is not None:
        raise NotFoundError("There is no such key.")
    key.revoked_at = work.now
    details = {"key": key.id, "purpose": key.purpose}
    event = add_event(work, server, Deed.KEY_REVOKED, actor, details=details)
    order_publication(work, server, event)
    return key


def rotate_key(
    work: Work, actor: Actor, server: Server, key_id: int, *, content: str, selector: str = ""
) -> ServerKey:
    """Put a new key in the place of an old one, at once."""
    old = revoke_key(work, actor, server, key_id)
    work.session.flush()
    return register_key(
        work, actor, server, KeyPurpose(old.purpose), content=content, selector=selector
    )


def keys_of(work: Work, server: Server, *, revoked: bool = False) -> list[ServerKey]:
    """Return a server's keys in the order in which they were registered."""
    statement = select(ServerKey).where(ServerKey.server_id == server.id).order_by(ServerKey.id)
    if not revoked:
        statement = statement.where(ServerKey.revoked_at.is_(None))
    return list(work.session.scalars(statement))


def _checked(purpose: KeyPurpose, selector: str, content: str) -> tuple[str, str]:
    try:
        if purpose is KeyPurpose.DKIM:
            return normalise_selector(selector), normalise_key_record(content)
        pin = parse_pin(content[:20_000])
        _check_pin(pin)
    except ValueError as error:
        raise OperationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    return "", f"3 {pin.selector} {pin.matching_type} {pin.data.hex()}"


def _check_pin(pin: KeyPin) -> None:
    length = _DIGEST_LENGTHS.get(pin.matching_type)
    if length is None:
        raise ValueError("give a digest of the key: matching type 1 or 2")
    if len(pin.data) != length:
        raise ValueError(f"a digest of this type has {2 * length} hexadecimal digits")
