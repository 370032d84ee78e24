"""No page or daily task of the treasury reads a table from end to end (SQLite's own plans)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import event, text

from countersign.registrar.operations import (
    bank_debits,
    contracts,
    debts,
    deregistration,
    fees,
    forfeitures,
    histories,
    invoices,
    offers,
    payments,
    payouts,
    sponsor_views,
    statements,
    trust,
    undertakings,
)
from countersign.registrar.operations.office import Office, Work
from countersign.storage.database.money import Invoice
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury

SMALL = ("ledger_total", "fact", "(", "anon")
"""What may be read whole: small tables, and what another part of the statement has found."""
PARTIAL = ("ix_payment_not_allocated", "ix_ledger_account_not_empty", "ix_server_event_proposed")
"""Indexes that have in them only what waits for somebody."""


def of_server(call: Callable[[Work, Server], object]) -> Callable[[Office], object]:
    def run(office: Office) -> object:
        with office.reading() as work:
            return call(work, work.session.get_one(Server, 1))

    return run


def of_work(call: Callable[[Work], object]) -> Callable[[Office], object]:
    def run(office: Office) -> object:
        with office.reading() as work:
            return call(work)

    return run


TASKS: dict[str, Callable[[Office], object]] = {
    "payments to allocate": of_work(payments.unallocated),
    "payouts due": of_work(payouts.due),
    "debits": of_work(bank_debits.open_debits),
    "forfeitures": of_work(forfeitures.pending),
    "deregistrations": of_work(deregistration.deregistration_proposals),
    "a server's invoices": of_server(invoices.invoices_of),
    "a server's payments on an invoice": of_work(
        lambda work: invoices.paid_on(work, work.session.get_one(Invoice, 1))
    ),
    "a server's ledger": of_server(statements.server_lines),
    "a server's history": of_server(histories.history),
    "a server's contracts": of_server(contracts.acceptances),
    "a server's needs": of_server(offers.missing),
    "a server's sponsors": of_server(trust.counting),
    "an owner's questions": of_work(lambda work: sponsor_views.requests_to(work, 1)),
    "an owner's undertakings": of_work(lambda work: sponsor_views.undertakings_of(work, 1)),
    "a sponsor's exposure": of_server(sponsor_views.exposure),
    "the ledger": lambda office: list(statements.ledger_rows(office)),
    "offers that lapse": offers.lapse_offers,
    "fees": fees.run_daily,
    "debtors": debts.suspend_debtors,
    "undertakings": undertakings.end_undertakings,
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_task_reads_a_whole_table(office: Office, task: str) -> None:
    treasury.make_sponsored(office)
    treasury.make_active(office)
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:  # type: ignore[no-untyped-def]
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(office.database.engine, "before_cursor_execute", note)
    TASKS[task](office)
    event.remove(office.database.engine, "before_cursor_execute", note)
    assert asked
    with office.database.engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for row in plan:
                scanned = row[3].partition("SCAN ")[2]
                fine = not scanned or scanned.startswith(SMALL) or scanned.endswith(PARTIAL)
                assert fine, f"{scanned}: {statement}"


def test_the_plans_are_looked_at(office: Office) -> None:
    """What the test above looks for is what SQLite writes of a table that is read whole."""
    if not office.database.is_sqlite:
        pytest.skip("about SQLite's plans")
    with office.database.engine.connect() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT * FROM server WHERE city = 'x'"))
        assert [row[3] for row in plan] == ["SCAN server"]
