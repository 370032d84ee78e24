"""The ledger as it is read: one server's, all of it, and its balance."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from countersign.registrar.money.csv_export import stream_csv
from countersign.registrar.operations import payouts, statements
from countersign.registrar.operations.ledger import ledger_account, transfer
from countersign.registrar.operations.office import Office, OperationError
from countersign.storage.database.money import Purpose, Transfer, TransferKind
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.operations.test_money_forfeitures import forfeit
from tests.registrar.operations.treasury import BOND, FEE

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def a_life(office: Office) -> int:
    """Return a server that paid, forfeited some, and left, and was paid out some."""
    server_id = treasury.make_active(office)
    forfeit(office, server_id, 30_000)
    treasury.pay(office, treasury.invoices(office, server_id)[-1])
    treasury.withdraw(office, server_id)
    actor = treasury.treasurer(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        payouts.pay_out(work, actor, server, 100_000, currency="USD", bank_reference="P1")
    return server_id


def test_a_servers_ledger_has_running_balances(office: Office) -> None:
    server_id = a_life(office)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        lines = statements.server_lines(work, server)
        pages = statements.server_lines(work, server, limit=2)
        pages += statements.server_lines(work, server, after=pages[-1].id)
    assert [(one.kind, one.amount, one.held, one.due) for one in lines] == [
        (TransferKind.ALLOCATION, BOND, BOND, 0),
        (TransferKind.ALLOCATION, FEE, BOND, 0),
        (TransferKind.FORFEITURE, 30_000, BOND - 30_000, 0),
        (TransferKind.ALLOCATION, BOND + 30_000, 2 * BOND, 0),
        (TransferKind.REFUND, 2 * BOND, 0, 2 * BOND),
        (TransferKind.PAYOUT, 100_000, 0, 2 * BOND - 100_000),
    ]
    assert all(one.event_id for one in lines)
    assert pages == lines


def test_the_trial_balance_comes_to_zero_whatever_is_carried_forward(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert statements.carry_forward(office) == 0
    a_life(office)

    def balance() -> dict[Purpose, int]:
        with office.reading() as work:
            return {one.purpose: one.balance for one in statements.trial_balance(work)}

    expected = {
        Purpose.BANK: -(2 * BOND + 30_000 + FEE - 100_000),
        Purpose.UNALLOCATED: 0,
        Purpose.BOND_HELD: 0,
        Purpose.BOND_FORFEITED: 30_000,
        Purpose.FEE_INCOME: FEE,
        Purpose.REFUND_DUE: 2 * BOND - 100_000,
    }
    assert balance() == expected
    assert sum(expected.values()) == 0
    assert statements.carry_forward(office) > 0
    assert balance() == expected
    treasury.make_active(office)
    expected[Purpose.BANK] -= BOND + FEE
    expected[Purpose.BOND_HELD] += BOND
    expected[Purpose.FEE_INCOME] += FEE
    assert balance() == expected
    statements.carry_forward(office)
    statements.carry_forward(office)
    assert balance() == expected


def test_the_whole_ledger_goes_out_as_csv_page_by_page(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_life(office)
    clock.advance(days=3)
    later = clock()
    treasury.make_active(office)
    monkeypatch.setattr(statements, "_AT_ONCE", 4)
    octets = b"".join(stream_csv(statements.LEDGER_HEADER, statements.ledger_rows(office)))
    rows = list(csv.DictReader(io.StringIO(octets.decode())))
    with office.reading() as work:
        assert len(rows) == work.session.query(Transfer).count() > 8
    assert sum(int(row["amount (minor unit)"]) for row in rows if row["debit"] == "bank") == (
        3 * BOND + 30_000 + 2 * FEE
    )
    assert [int(row["entry"]) for row in rows] == sorted(int(row["entry"]) for row in rows)
    after = list(statements.ledger_rows(office, begin=later))
    before = list(statements.ledger_rows(office, end=later))
    assert len(after) + len(before) == len(rows)
    assert 0 < len(after) < len(rows)


def test_entries_written_meanwhile_are_left_out_of_an_export(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_life(office)
    monkeypatch.setattr(statements, "_AT_ONCE", 2)
    rows = statements.ledger_rows(office)
    first = next(rows)
    with office.reading() as work:
        number = work.session.query(Transfer).count()
    treasury.make_active(office)
    assert 1 + sum(1 for _ in rows) == number
    assert first[0] == 1


def test_the_database_itself_keeps_the_ledger_whole(office: Office) -> None:
    server_id = treasury.make_active(office)
    for statement in (
        "UPDATE transfer SET amount = 1",
        "DELETE FROM transfer",
        "UPDATE ledger_account SET balance = -1 WHERE server_id IS NOT NULL",
        "INSERT INTO transfer (at, kind, debit_account_id, credit_account_id, amount, currency,"
        " reference) VALUES ('2026-01-01', 'payment', 1, 2, -5, 'USD', 'x')",
        "INSERT INTO transfer (at, kind, debit_account_id, credit_account_id, amount, currency,"
        " reference) VALUES ('2026-01-01', 'payment', 1, 1, 5, 'USD', 'x')",
        "INSERT INTO transfer (at, kind, debit_account_id, credit_account_id, amount, currency,"
        " reference) VALUES ('2026-01-01', 'payment', 1, 2, 5, 'EUR', 'x')",
        "UPDATE payment SET allocated = amount + 1",
    ):
        with pytest.raises(DatabaseError), office.work() as work:
            work.session.execute(text(statement))
    with office.work() as work:
        held = ledger_account(work, Purpose.BOND_HELD, "USD", server_id)
        forfeited = ledger_account(work, Purpose.BOND_FORFEITED, "USD")
        euros = ledger_account(work, Purpose.BOND_FORFEITED, "EUR")
        for credit, amount in ((forfeited, BOND + 1), (forfeited, 0), (forfeited, -1), (euros, 1)):
            with pytest.raises(OperationError), work.session.begin_nested():
                transfer(
                    work,
                    TransferKind.FORFEITURE,
                    debit=held,
                    credit=credit,
                    amount=amount,
                    reference="too much",
                )
    treasury.check_ledger(office)


def test_no_cause_moves_money_twice(office: Office) -> None:
    treasury.make_active(office)
    with pytest.raises(IntegrityError), office.work() as work:
        for _ in range(2):
            transfer(
                work,
                TransferKind.CHARGE,
                debit=ledger_account(work, Purpose.CHARGES, "USD"),
                credit=ledger_account(work, Purpose.BANK, "USD"),
                amount=1,
                reference="charge:1",
            )
    assert Purpose.CHARGES not in treasury.balances(office)
