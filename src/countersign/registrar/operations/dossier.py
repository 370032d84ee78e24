"""An application's particulars, sealed, and what is still missing from it (DESIGN §6)."""

from __future__ import annotations

import json

from sqlalchemy import select

from countersign.registrar.operations.access import refuse_own_cause, require
from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.office import Actor, ForbiddenError, Work
from countersign.registrar.particulars.documents import missing_documents
from countersign.registrar.particulars.draft import (
    Missing,
    Particulars,
    checks_for,
    deserialise,
    missing,
    serialise,
)
from countersign.registrar.particulars.fields import Checks
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.rules.roles import STAFF
from countersign.storage.database import servers
from countersign.storage.database.accounts import Account
from countersign.storage.database.servers import ContactConfirmation, Document, Server


def load(work: Work, server_id: int) -> Particulars:
    """Return an application's particulars; empty ones if none have been saved.

    For the registrar's own use: whoever shows them calls :func:`open_particulars`.
    """
    row = work.session.get(servers.Particulars, server_id)
    if row is None:
        return Particulars()
    return deserialise(json.loads(work.keyring.open(row.sealed, _context(server_id))))


def save(work: Work, server_id: int, particulars: Particulars) -> None:
    """Seal and store an application's particulars."""
    plain = json.dumps(serialise(particulars), separators=(",", ":")).encode()
    sealed = work.keyring.seal(plain, _context(server_id))
    row = work.session.get(servers.Particulars, server_id)
    if row is None:
        work.session.add(
            servers.Particulars(server_id=server_id, sealed=sealed, updated_at=work.now)
        )
    else:
        row.sealed, row.updated_at = sealed, work.now
    work.session.flush()


def open_particulars(work: Work, actor: Actor, server: Server, reason: str = "") -> Particulars:
    """Return the particulars for a person to see; a look by staff goes to the access log.

    reason: why staff looks; kept. Raises :class:`ForbiddenError` for roles that may not, and
    for staff while the applicant has not handed the application in.
    """
    require(actor, Permission.SEE_PARTICULARS)
    refuse_own_cause(actor, server)
    if actor.role in STAFF:
        if server.state is State.DRAFT:
            raise ForbiddenError("The application has not been handed in.")
        work.record(
            actor,
            "particulars seen",
            f"server:{server.id}",
            server_id=server.id,
            reason=reason[:255],
        )
        work.session.flush()
    return load(work, server.id)


def checks(work: Work, particulars: Particulars) -> Checks:
    """Return the checks that an application's steps are parsed with now."""
    return checks_for(particulars, work.today, allow_reserved=work.config.reserved_names)


def what_is_missing(work: Work, server: Server) -> list[Missing]:
    """Return what keeps an application from being complete, with the step where it is asked."""
    particulars = load(work, server.id)
    return [
        *missing(particulars, checks(work, particulars)),
        *missing_documents(particulars, documents_present(work, server.id)),
    ]


def is_complete(work: Work, server: Server) -> bool:
    """Tell whether nothing is missing from an application."""
    return not what_is_missing(work, server)


def contact_addresses(work: Work, server: Server, particulars: Particulars) -> dict[str, str]:
    """Return the e-mail addresses of an application by contact.

    'account': of the owner's account; 'owner': of the owner or company; 'admin': of the admin
    contact. Those that have not been given are left out.
    """
    account = work.session.get_one(Account, server.owner_id)
    addresses = {"account": account.email}
    owner = particulars.owner or particulars.company
    if owner is not None:
        addresses["owner"] = owner.email
    if particulars.admin_contact is not None:
        addresses["admin"] = particulars.admin_contact.email
    return addresses


def address_digest(work: Work, address: str) -> str:
    """Return what an e-mail address is known by in the confirmations."""
    return keyed_digest(work, "contact address", address.lower())


def unconfirmed_contacts(work: Work, server: Server) -> list[str]:
    """Return the contacts of an application whose e-mail address is not confirmed.

    See :func:`contact_addresses`. An address is confirmed once for all contacts of a server.
    """
    addresses = contact_addresses(work, server, load(work, server.id))
    confirmed = set(
        work.session.scalars(
            select(ContactConfirmation.address_digest).where(
                ContactConfirmation.server_id == server.id,
                ContactConfirmation.confirmed_at.is_not(None),
            )
        )
    )
    account = work.session.get_one(Account, server.owner_id)
    # An agent's word does not do: the owner must say himself that the application is his.
    if server.agent_id is None and account.email_confirmed_at is not None:
        confirmed.add(address_digest(work, account.email))
    return [
        contact
        for contact, address in addresses.items()
        if address_digest(work, address) not in confirmed
    ]


def documents_present(work: Work, server_id: int) -> list[tuple[str, str]]:
    """Return subject and kind of each scan that an application has."""
    rows = work.session.execute(
        select(Document.subject, Document.kind).where(
            Document.server_id == server_id, Document.removed_at.is_(None)
        )
    )
    return [(subject, kind) for subject, kind in rows]


def _context(server_id: int) -> bytes:
    return f"particulars:{server_id}".encode()
