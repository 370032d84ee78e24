"""E-mail addresses of an application: each is confirmed by a link that is mailed to it (DESIGN §6).

The order for a letter holds keys and a nonce only: the address is read from the sealed
particulars, and the token made, when the letter is written.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import func, select

from countersign.registrar.operations.access import require
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.dossier import (
    address_digest,
    contact_addresses,
    load,
    unconfirmed_contacts,
)
from countersign.registrar.operations.office import (
    Actor,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.tokens import make_nonce, make_token, token_digest
from countersign.registrar.operations.transitions import add_event
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, OneTimeToken
from countersign.storage.database.servers import ContactConfirmation, Server

PURPOSE = "confirm-contact"
"""Of the tokens, and the name of the letter."""
VALID_DAYS = 14
PAUSE_MINUTES = 2
"""Between two letters to one contact."""
LETTERS_OF_ACCOUNT = 100
"""Letters that one account can cause in 24 hours."""
LETTERS_TO_ADDRESS = 50
"""Applications that can write to one address in 24 hours: nobody is to be flooded."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody is asked to confirm."""

    server_id: int
    hostname: str
    contact: str
    """See :func:`dossier.contact_addresses`."""
    agent: str
    """Name of the agent who applies for the owner; empty: the owner does himself."""


def ask_where_needed(work: Work, actor: Actor, server: Server) -> None:
    """Write to each contact whose address is not confirmed and who has not been written to.

    Silent where a limit is reached: the application shows who is not confirmed.
    """
    addresses = contact_addresses(work, server, load(work, server.id))
    for contact in unconfirmed_contacts(work, server):
        digest = address_digest(work, addresses[contact])
        if _find(work, server, digest) is not None or _is_too_much(work, actor, digest):
            continue
        _write(work, actor, _open(work, server, contact, digest))


def ask_again(work: Work, actor: Actor, server: Server, contact: str) -> None:
    """Write to a contact once more. Raises :class:`OperationError`: not needed, or too often."""
    require(actor, Permission.EDIT_APPLICATION)
    if server.state in ENDED:
        raise OperationError("This application has ended.")
    if contact not in unconfirmed_contacts(work, server):
        raise OperationError("This address is confirmed already, or is not in the application.")
    addresses = contact_addresses(work, server, load(work, server.id))
    digest = address_digest(work, addresses[contact])
    known = _find(work, server, digest)
    pause = datetime.timedelta(minutes=PAUSE_MINUTES)
    if known is not None and work.now - known.asked_at < pause:
        raise OperationError(f"A letter has just been sent: wait {PAUSE_MINUTES} minutes.")
    if _is_too_much(work, actor, digest):
        raise OperationError("Too many letters in 24 hours: try it again tomorrow.")
    _write(work, actor, known or _open(work, server, contact, digest))


def recipient(work: Work, confirmation_id: int) -> str | None:
    """Return the address that a letter goes to; None: it is no longer in the application."""
    confirmation = work.session.get(ContactConfirmation, confirmation_id)
    if confirmation is None:
        return None
    server = work.session.get_one(Server, confirmation.server_id)
    return next((address for _, address in _contacts_at(work, server, confirmation)), None)


def _contacts_at(
    work: Work, server: Server, confirmation: ContactConfirmation
) -> list[tuple[str, str]]:
    """Return the contacts that now have the address of a confirmation, and the address."""
    addresses = contact_addresses(work, server, load(work, server.id))
    return [
        (contact, address)
        for contact, address in addresses.items()
        if address_digest(work, address) == confirmation.address_digest
    ]


def look_at(work: Work, token: str) -> Request:
    """Return what a token asks to confirm. Raises :class:`NotFoundError`."""
    _, confirmation, server = _of_token(work, token)
    agent = work.session.get(Account, server.agent_id) if server.agent_id else None
    present = [contact for contact, _ in _contacts_at(work, server, confirmation)]
    contact = present[0] if present else confirmation.contact
    return Request(server.id, server.hostname, contact, agent.name if agent else "")


def confirm(work: Work, token: str) -> Request:
    """Confirm an address; a token counts once. Raises :class:`NotFoundError`."""
    request = look_at(work, token)
    row, confirmation, server = _of_token(work, token)
    row.used_at = work.now
    confirmation.confirmed_at = confirmation.confirmed_at or work.now
    work.session.flush()
    link_admin_account(work, server)
    role = Role.ADMIN_CONTACT if request.contact == "admin" else Role.OWNER
    details = {"contact": request.contact}
    add_event(work, server, Deed.CONTACT_CONFIRMED, Actor(role), details=details)
    return request


def link_admin_account(work: Work, server: Server) -> None:
    """Let the admin contact's account see the server, if address and account are confirmed."""
    server.admin_contact_id = _admin_account(work, server)


def _admin_account(work: Work, server: Server) -> int | None:
    address = contact_addresses(work, server, load(work, server.id)).get("admin")
    if address is None or "admin" in unconfirmed_contacts(work, server):
        return None
    return work.session.scalar(
        select(Account.id).where(
            Account.email == address.lower(), Account.email_confirmed_at.is_not(None)
        )
    )


def link_new_account(work: Work, account: Account) -> None:
    """Show an account whose address was just confirmed the servers that it is admin contact of."""
    for server in work.session.scalars(
        select(Server)
        .join(ContactConfirmation, ContactConfirmation.server_id == Server.id)
        .where(
            ContactConfirmation.address_digest == address_digest(work, account.email),
            ContactConfirmation.confirmed_at.is_not(None),
            Server.state.not_in(ENDED),
        )
        .distinct()
    ).all():
        link_admin_account(work, server)


def _of_token(work: Work, token: str) -> tuple[OneTimeToken, ContactConfirmation, Server]:
    row = work.session.get(OneTimeToken, token_digest(token))
    if row is None or row.purpose != PURPOSE or row.used_at or row.expires_at < work.now:
        raise NotFoundError("This link has been used, or is too old: ask for a new letter.")
    confirmation = work.session.get_one(ContactConfirmation, int(row.subject))
    return row, confirmation, work.session.get_one(Server, confirmation.server_id)


def _find(work: Work, server: Server, digest: str) -> ContactConfirmation | None:
    """Return how an address stands in an application; one that is given twice is asked once."""
    return work.session.scalar(
        select(ContactConfirmation)
        .where(
            ContactConfirmation.server_id == server.id,
            ContactConfirmation.address_digest == digest,
        )
        .order_by(ContactConfirmation.id)
        .limit(1)
    )


def _open(work: Work, server: Server, contact: str, digest: str) -> ContactConfirmation:
    confirmation = ContactConfirmation(
        server_id=server.id, contact=contact, address_digest=digest, asked_at=work.now
    )
    work.session.add(confirmation)
    work.session.flush()
    return confirmation


def _write(work: Work, actor: Actor, confirmation: ContactConfirmation) -> None:
    confirmation.asked_at = work.now
    nonce = make_nonce()
    work.session.add(
        OneTimeToken(
            digest=token_digest(make_token(work.keyring, PURPOSE, nonce)),
            purpose=PURPOSE,
            account_id=account_of(actor),
            subject=str(confirmation.id),
            created_at=work.now,
            expires_at=work.now + datetime.timedelta(days=VALID_DAYS),
        )
    )
    work.order("mail", {"template": PURPOSE, "confirmation": confirmation.id, "nonce": nonce})


def _is_too_much(work: Work, actor: Actor, digest: str) -> bool:
    since = work.now - datetime.timedelta(hours=24)
    by_account = select(func.count()).where(
        OneTimeToken.account_id == account_of(actor),
        OneTimeToken.purpose == PURPOSE,
        OneTimeToken.created_at > since,
    )
    to_address = select(func.count()).where(
        ContactConfirmation.address_digest == digest, ContactConfirmation.asked_at > since
    )
    return (
        int(work.session.scalar(by_account) or 0) >= LETTERS_OF_ACCOUNT
        or int(work.session.scalar(to_address) or 0) >= LETTERS_TO_ADDRESS
    )
