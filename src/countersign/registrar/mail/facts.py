"""What a letter tells of: the keys of its order, looked up when it is written (DESIGN §6)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.accounts import CHANGE_EMAIL
from countersign.registrar.operations.contacts import recipient
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.tokens import make_token, token_digest
from countersign.storage.database.accounts import Account, Accreditation, OneTimeToken
from countersign.storage.database.base import Base
from countersign.storage.database.money import Invoice, InvoiceState, Transfer
from countersign.storage.database.promises import Forfeiture, Sponsorship
from countersign.storage.database.replication import Secondary
from countersign.storage.database.servers import (
    ContactConfirmation,
    Server,
    ServerEvent,
    TestRun,
)

_ROWS: dict[str, type[Base]] = {
    "account": Account,
    "server": Server,
    "event": ServerEvent,
    "invoice": Invoice,
    "sponsorship": Sponsorship,
    "forfeiture": Forfeiture,
    "run": TestRun,
    "confirmation": ContactConfirmation,
    "accreditation": Accreditation,
    "secondary": Secondary,
}
"""Values of an order that are keys, and of what."""
TOKEN_PAGES = {
    "confirm-email": "confirm-email",
    "confirm-contact": "confirm-contact",
    "change-email": "change-email",
    "reset-password": "reset-password",
    "staff-invitation": "invitation",
}
"""Templates with a one-time token of the same purpose, and the page that takes it."""


class NothingToSayError(Exception):
    """What was to be told is no longer so: the letter is not sent."""


def gather(work: Work, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the address that a letter goes to, and all that its template may name.

    values: those of the order, `template` among them. Raises :class:`NothingToSayError`.
    """
    facts: dict[str, Any] = {
        "account": None,
        "config": work.config,
        "operator": work.config.operator_name,
        "url": work.config.url.rstrip("/"),
        **values,
        **{name: _row(work, _ROWS[name], key) for name, key in values.items() if name in _ROWS},
    }
    _add_server(work, facts)
    invoice = facts.get("invoice")
    if isinstance(invoice, Invoice) and invoice.state is not InvoiceState.OPEN:
        raise NothingToSayError("the invoice is no longer open")
    if "forfeiture" in facts:
        facts["forfeited"] = _forfeited(work, facts["forfeiture"])
    if values["template"] in TOKEN_PAGES:
        facts |= _token(work, str(values["template"]), str(values["nonce"]))
    return _recipient(work, facts), facts


def _recipient(work: Work, facts: dict[str, Any]) -> str:
    account = facts["account"]
    if facts.get("new_address"):
        return str(facts["new_address"])
    if isinstance(account, Account):
        return account.email
    if "secondary" in facts:
        return _contact(facts["secondary"])
    address = recipient(work, facts["confirmation"].id)
    if address is None:
        raise NothingToSayError("the address is no longer in the application")
    return address


def _contact(secondary: Secondary) -> str:
    if secondary.removed_at is not None or not secondary.contact:
        raise NothingToSayError("the secondary is no more, or has no contact any more")
    return secondary.contact


def _row(work: Work, model: type[Base], key: int) -> Base:
    row = work.session.get(model, key)
    if row is None:
        raise NothingToSayError(f"{model.__tablename__} {key} is no more")
    return row


def _add_server(work: Work, facts: dict[str, Any]) -> None:
    """Add the server that one of the other rows is of, and its sponsor."""
    for name in ("event", "invoice", "sponsorship", "forfeiture", "run", "confirmation"):
        if "server" not in facts and name in facts:
            facts["server"] = _row(work, Server, facts[name].server_id)
    if "sponsorship" in facts:
        facts["sponsor"] = _row(work, Server, facts["sponsorship"].sponsor_id)
    if "server" in facts and facts["account"] is not None:
        facts["capacity"] = _capacity(facts["server"], facts["account"].id)


def _forfeited(work: Work, forfeiture: Forfeiture) -> int:
    """Return what was taken: less than was proposed, if less was there."""
    reference = f"forfeiture:{forfeiture.id}"
    return work.session.scalar(select(Transfer.amount).where(Transfer.reference == reference)) or 0


def _capacity(server: Server, account_id: int) -> str:
    if account_id == server.owner_id:
        return "owner"
    if account_id == server.agent_id:
        return "agent"
    return "administrative contact"


def token_page(config: RegistrarConfig, purpose: str, token: str) -> str:
    """Return the address of the page that takes a one-time token."""
    return f"{config.url.rstrip('/')}/{TOKEN_PAGES[purpose]}/{token}"


def _token(work: Work, purpose: str, nonce: str) -> dict[str, Any]:
    token = make_token(work.keyring, purpose, nonce)
    row = work.session.get(OneTimeToken, token_digest(token))
    if row is None or row.used_at is not None or row.expires_at <= work.now:
        raise NothingToSayError("the token was used, replaced or is too old")
    page = token_page(work.config, purpose, token)
    # A new address of an account is the token's subject: it is not the account's yet.
    address = row.subject if purpose == CHANGE_EMAIL else ""
    return {"token_url": page, "token_expires": row.expires_at, "new_address": address}
