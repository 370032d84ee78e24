"""What the owner of a server has to do next, read from the data for a page of servers at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from countersign.registrar.documents.text import current
from countersign.registrar.operations.invoices import TARGETS
from countersign.registrar.operations.needs import CONTRACT
from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import State
from countersign.storage.database.money import Invoice, InvoiceState, LedgerAccount, Transfer
from countersign.storage.database.promises import ContractAcceptance, Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server, TestRun


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still to be paid on an open invoice."""

    invoice: Invoice
    amount: int
    """In the minor unit of the invoice's currency."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the next step of one server depends on, beside the server's own row."""

    owed: list[Owed] = field(default_factory=list)
    """Open invoices, the one that is due first in front."""
    has_contract: bool = False
    """The present version of the contract is accepted."""
    forfeiture: Forfeiture | None = None
    """The one that is being decided."""
    test: str = ""
    """Verdict of the last test, of servers that wait for it."""


_MAY_OWE = frozenset({State.OFFERED, State.ACTIVE, State.SUSPENDED, State.LAPSED})


def facts_of(work: Work, servers: Sequence[Server]) -> dict[int, Facts]:
    """Return the facts of some servers by their keys, in a handful of queries for all of them."""
    later = [server.id for server in servers if server.active_since or server.state in _MAY_OWE]
    owed = open_amounts(work, later)
    contracts = _with_contract(work, later)
    forfeitures = _forfeitures(work, later)
    tests = _verdicts(work, [one.id for one in servers if one.state is State.SCREENED])
    return {
        server.id: Facts(
            owed.get(server.id, []),
            server.id in contracts,
            forfeitures.get(server.id),
            tests.get(server.id, ""),
        )
        for server in servers
    }


def open_amounts(work: Work, server_ids: Iterable[int]) -> dict[int, list[Owed]]:
    """Return what is owed on the open invoices of some servers."""
    wanted = list(server_ids)
    if not wanted:
        return {}
    invoices = work.session.scalars(
        select(Invoice)
        .where(Invoice.server_id.in_(wanted), Invoice.state == InvoiceState.OPEN)
        .order_by(Invoice.due_on, Invoice.id)
    ).all()
    paid = paid_amounts(work, invoices)
    found: dict[int, list[Owed]] = {}
    for invoice in invoices:
        owed = Owed(invoice, invoice.amount - paid.get(invoice.id, 0))
        found.setdefault(invoice.server_id, []).append(owed)
    return found


def paid_amounts(work: Work, invoices: Sequence[Invoice]) -> dict[int, int]:
    """Return what has been paid on some invoices, less what was given back, by their keys."""
    purposes = {invoice.id: TARGETS[invoice.kind] for invoice in invoices}
    total: dict[int, int] = {}
    for side, sign in ((Transfer.credit_account_id, 1), (Transfer.debit_account_id, -1)):
        if not purposes:
            break
        rows = work.session.execute(
            select(Transfer.invoice_id, LedgerAccount.purpose, func.sum(Transfer.amount))
            .join(LedgerAccount, LedgerAccount.id == side)
            .where(Transfer.invoice_id.in_(purposes))
            .group_by(Transfer.invoice_id, LedgerAccount.purpose)
        )
        for invoice_id, purpose, amount in rows:
            if invoice_id is not None and purpose is purposes[invoice_id]:
                total[invoice_id] = total.get(invoice_id, 0) + sign * int(amount)
    return total


def _with_contract(work: Work, server_ids: Sequence[int]) -> set[int]:
    if not server_ids:
        return set()
    return set(
        work.session.scalars(
            select(ContractAcceptance.server_id).where(
                ContractAcceptance.server_id.in_(server_ids),
                ContractAcceptance.kind == CONTRACT,
                ContractAcceptance.version == current(CONTRACT),
            )
        )
    )


def _forfeitures(work: Work, server_ids: Sequence[int]) -> dict[int, Forfeiture]:
    if not server_ids:
        return {}
    rows = work.session.scalars(
        select(Forfeiture).where(
            Forfeiture.server_id.in_(server_ids), Forfeiture.state == ForfeitureState.PROPOSED
        )
    )
    return {one.server_id: one for one in rows}


def _verdicts(work: Work, server_ids: Sequence[int]) -> dict[int, str]:
    if not server_ids:
        return {}
    last = (
        select(func.max(TestRun.id))
        .where(TestRun.server_id.in_(server_ids), TestRun.ended_at.is_not(None))
        .group_by(TestRun.server_id)
    )
    rows = work.session.execute(
        select(TestRun.server_id, TestRun.verdict).where(TestRun.id.in_(last))
    )
    return dict(rows.all())
