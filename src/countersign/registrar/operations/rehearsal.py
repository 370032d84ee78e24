"""What a decision would bring about: it is made, looked at, and taken back.

So nobody is shown effects that differ from those which follow: they are the same code's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from countersign.registrar.operations.office import Office, Work
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.base import Base
from countersign.storage.database.jobs import Job
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Purpose,
    Transfer,
)
from countersign.storage.database.promises import Forfeiture, Sponsorship
from countersign.storage.database.publication import Listing, ZoneChange
from countersign.storage.database.servers import Server, ServerEvent, TestRun


@dataclass(frozen=True, slots=True)
class Written:
    """An event that would be written; ``to`` differs from ``begin`` where the state changes."""

    hostname: str
    action: str
    begin: State | None
    to: State | None
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """How the public zone would name a host."""

    hostname: str
    listing: Listing
    text: str


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry that would be written to the ledger."""

    amount: int
    currency: str
    debit: Purpose
    credit: Purpose
    hostname: str


@dataclass(frozen=True, slots=True)
class Billed:
    """An invoice that would be issued, paid or cancelled."""

    number: int
    """0: it would be a new one."""
    hostname: str
    kind: InvoiceKind
    state: InvoiceState
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody who would get a letter."""

    template: str
    role: Role | None
    """What the recipient is to the server; None: none of its parties."""
    hostname: str


@dataclass(frozen=True, slots=True)
class Ordered:
    """Background work that would be ordered; letters aside."""

    kind: str


Consequence = Written | Listed | Booked | Billed | Told | Ordered


def rehearse(office: Office, act: Callable[[Work], Any]) -> list[Consequence]:
    """Return what something would bring about. Raises whatever it raises."""
    with office.work() as work:
        rows: dict[int, Base] = {}
        new: set[int] = set()

        def note(session: Session, _context: Any) -> None:
            new.update(id(one) for one in session.new)
            rows.update((id(one), one) for one in (*session.new, *session.dirty))

        event.listen(work.session, "after_flush", note)
        act(work)
        work.session.flush()
        event.remove(work.session, "after_flush", note)
        found = list(dict.fromkeys(_consequences(work, rows, new)))
        work.session.rollback()
    return found


def _consequences(work: Work, rows: dict[int, Base], new: set[int]) -> Iterable[Consequence]:
    hostnames = _Hostnames(work)
    for key, row in rows.items():
        if isinstance(row, Invoice):
            number = 0 if key in new else row.id
            host = hostnames.of(row.server_id)
            yield Billed(number, host, row.kind, row.state, row.amount, row.currency)
        elif key not in new:
            continue
        elif isinstance(row, ServerEvent):
            host = hostnames.of(row.server_id)
            yield Written(host, row.action, row.from_state, row.to_state, row.reason)
        elif isinstance(row, ZoneChange):
            yield Listed(row.hostname, row.listing, row.text)
        elif isinstance(row, Transfer):
            yield _booked(work, row, hostnames)
        elif isinstance(row, Job):
            yield _told(work, row, hostnames) if row.kind == "mail" else Ordered(row.kind)


class _Hostnames:
    def __init__(self, work: Work) -> None:
        self._work = work

    def of(self, server_id: int | None) -> str:
        server = self._work.session.get(Server, server_id) if server_id is not None else None
        return server.hostname if server is not None else ""


def _booked(work: Work, row: Transfer, hostnames: _Hostnames) -> Booked:
    accounts = select(LedgerAccount.id, LedgerAccount.purpose).where(
        LedgerAccount.id.in_((row.debit_account_id, row.credit_account_id))
    )
    purposes = dict(work.session.execute(accounts).all())
    return Booked(
        row.amount,
        row.currency,
        purposes[row.debit_account_id],
        purposes[row.credit_account_id],
        hostnames.of(row.server_id),
    )


_SERVER_OF: dict[str, type[ServerEvent | Invoice | Forfeiture | Sponsorship | TestRun]] = {
    "event": ServerEvent,
    "invoice": Invoice,
    "forfeiture": Forfeiture,
    "sponsorship": Sponsorship,
    "run": TestRun,
}
"""What a letter's order may name, each of one server."""


def _told(work: Work, job: Job, hostnames: _Hostnames) -> Told:
    template, account_id = str(job.payload["template"]), job.payload["account"]
    server_id = job.payload.get("server")
    for name, model in _SERVER_OF.items():
        if server_id is None and name in job.payload:
            row: Any = work.session.get(model, job.payload[name])
            server_id = row.server_id if row is not None else None
    server = work.session.get(Server, server_id) if server_id is not None else None
    if server is None:
        return Told(template, None, "")
    parties = {
        server.admin_contact_id: Role.ADMIN_CONTACT,
        server.agent_id: Role.AGENT,
        server.owner_id: Role.OWNER,
    }
    return Told(template, parties.get(account_id), server.hostname)
