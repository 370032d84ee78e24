"""The contract between registrar and owner: shown, accepted, kept (DESIGN §6)."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.orm import defer

from countersign.registrar.documents.agreement import Acceptance, agreement_pdf
from countersign.registrar.documents.text import Filled, Kind, current, fill
from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.access import require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.needs import has_accepted_contract
from countersign.registrar.operations.offers import try_activate
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.parties import (
    common_values,
    owner_number,
    owner_party,
    registrar_party,
)
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.operations.trust import counting
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.storage.database.accounts import Account
from countersign.storage.database.promises import ContractAcceptance
from countersign.storage.database.servers import Server

log = structlog.get_logger()

_MAY_ACCEPT = frozenset({State.OFFERED, State.ACTIVE, State.SUSPENDED, State.LAPSED})


@dataclass(frozen=True, slots=True)
class Agreement:
    """A document to download."""

    filename: str
    pdf: bytes


@dataclass(frozen=True, slots=True)
class Printed:
    """A contract printed with the record of its acceptance, not yet stored."""

    server_id: int
    account_id: int
    version: str
    text_hash: str
    pdf: bytes
    at: datetime.datetime

    @property
    def of(self) -> tuple[int, int, str, str]:
        """What it is an acceptance of, and whose."""
        return self.server_id, self.account_id, self.version, self.text_hash


def contract(work: Work, server: Server) -> Filled:
    """Return the present version of the contract, filled in for a server."""
    party = owner_party(work, server)
    bond = server.bond_due
    values = common_values(work) | {
        "owner_name": party.name,
        "owner_address": party.address,
        "hostname": server.hostname,
        "bond": format_amount(bond, server.bond_currency) if bond else "",
        "sponsors": [one.sponsor.hostname for one in counting(work, server)],
    }
    if number := owner_number(work, server):
        values["owner_number"] = number
    kind = Kind.REGISTRATION_CONTRACT
    return fill(kind, current(kind), values)


def needs_acceptance(work: Work, server: Server) -> bool:
    """Tell whether the owner should accept the contract: not yet, or not in this version."""
    return server.state in _MAY_ACCEPT and not has_accepted_contract(work, server)


def print_acceptance(
    work: Work, actor: Actor, server: Server, *, version: str, seen: str, address: str = ""
) -> Printed:
    """Print the contract with the record that its owner, who has signed in, accepts it now.

    version, seen: of the text that was read, and its SHA-256 as filled in. address: the IP
    address that it is done from, for the record. Needs no transaction: printing takes its time,
    and on SQLite all who write would wait.

    Raises :class:`ForbiddenError` for all but the owner, and :class:`ConflictError` if the text
    is another by now.
    """
    _check_owner(actor, server)
    text = _check_text(work, server, version, seen)
    account = work.session.get_one(Account, account_of(actor))
    pdf = agreement_pdf(
        text,
        issuer=registrar_party(work),
        made_at=work.now,
        about=server.hostname,
        acceptance=Acceptance(
            account=account.email,
            name=account.name,
            on_behalf_of=owner_party(work, server).name,
            at=work.now,
            address=address,
        ),
    )
    return Printed(server.id, account.id, version, seen, pdf, work.now)


def accept(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    version: str,
    seen: str,
    address: str = "",
    printed: Printed | None = None,
) -> ContractAcceptance:
    """Accept the contract as its owner, who has signed in; nobody else can for him.

    printed: by :func:`print_acceptance`, just before; None: it is printed here. The others as
    there; so are the errors.
    """
    _check_owner(actor, server)
    hold(work, server)
    if not needs_acceptance(work, server):
        raise OperationError("There is no contract to accept now.")
    if printed is None:
        printed = print_acceptance(work, actor, server, version=version, seen=seen, address=address)
    _check_text(work, server, version, seen)
    if printed.of != (server.id, actor.account_id, version, seen):
        raise ValueError("another acceptance was printed")
    acceptance = ContractAcceptance(
        server_id=server.id,
        account_id=account_of(actor),
        kind=str(Kind.REGISTRATION_CONTRACT),
        version=version,
        text_hash=seen,
        pdf=printed.pdf,
        pdf_hash=hashlib.sha256(printed.pdf).hexdigest(),
        accepted_at=printed.at,
    )
    work.session.add(acceptance)
    work.session.flush()
    add_event(
        work,
        server,
        Happening.CONTRACT_ACCEPTED,
        actor,
        details={
            "acceptance": acceptance.id,
            "version": version,
            "text_sha256": seen,
            "pdf_sha256": acceptance.pdf_hash,
        },
    )
    try_activate(work, server)
    return acceptance


def _check_owner(actor: Actor, server: Server) -> None:
    require(actor, Permission.ACCEPT_CONTRACT)
    if account_of(actor) != server.owner_id:
        raise ForbiddenError(f"You may not {Permission.ACCEPT_CONTRACT}.")


def _check_text(work: Work, server: Server, version: str, seen: str) -> Filled:
    text = contract(work, server)
    if (text.text.version, text.sha256) != (version, seen):
        raise ConflictError("The contract has changed since you read it: read it again.")
    return text


def acceptances(work: Work, server: Server) -> list[ContractAcceptance]:
    """Return all acceptances of a server's contracts, the latest first; without the documents."""
    return list(
        work.session.scalars(
            select(ContractAcceptance)
            .where(ContractAcceptance.server_id == server.id)
            .order_by(ContractAcceptance.id.desc())
            .options(defer(ContractAcceptance.pdf))
        )
    )


def accepted_document(work: Work, server: Server, acceptance_id: int) -> Agreement:
    """Return a contract as it was accepted.

    Raises :class:`NotFoundError`, and :class:`OperationError` if what is stored is not what was
    accepted any more.
    """
    acceptance = work.session.get(ContractAcceptance, acceptance_id)
    if acceptance is None or acceptance.server_id != server.id:
        raise NotFoundError("There is no such contract.")
    if hashlib.sha256(acceptance.pdf).hexdigest() != acceptance.pdf_hash:
        log.error("an accepted contract was changed", acceptance=acceptance.id)
        raise OperationError("The stored contract is damaged: the registrar must look.")
    return Agreement(f"contract-{server.hostname}-{acceptance.version}.pdf", acceptance.pdf)
