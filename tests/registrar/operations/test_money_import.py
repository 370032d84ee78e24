"""Bank statements: every movement once; debits brought together with the ledger."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from countersign.registrar.money.camt import CamtError
from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations import bank_debits, payments, payouts
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.registrar.operations.statement_import import (
    ImportResult,
    import_file,
)
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import (
    BankDebit,
    DebitState,
    InvoiceKind,
    InvoiceState,
    Payment,
    Purpose,
    Transfer,
)
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.at_once import at_once
from tests.registrar.operations.treasury import BOND, FEE

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

HEAD = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>'
    "<Id>S{number}</Id><Acct><Id><IBAN>DE02100100109307118603</IBAN></Id></Acct>"
)


def entry(
    amount: int,
    text: str = "",
    *,
    ref: str = "",
    debit: bool = False,
    reversal: bool = False,
    end_to_end: str = "NOTPROVIDED",
    status: str = "BOOK",
) -> str:
    """Return one entry of a statement; amount in cents."""
    return (
        f'<Ntry><Amt Ccy="USD">{amount // 100}.{amount % 100:02}</Amt>'
        f"<CdtDbtInd>{'DBIT' if debit else 'CRDT'}</CdtDbtInd>"
        f"{'<RvslInd>true</RvslInd>' if reversal else ''}"
        f"<Sts><Cd>{status}</Cd></Sts>"
        "<BookgDt><Dt>2026-03-02</Dt></BookgDt><ValDt><Dt>2026-03-02</Dt></ValDt>"
        f"<AcctSvcrRef>{ref or 'NONREF'}</AcctSvcrRef>"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{end_to_end}</EndToEndId></Refs>"
        "<RltdPties><Dbtr><Nm>Zoe Muller</Nm></Dbtr><Cdtr><Nm>Zoe Muller</Nm></Cdtr></RltdPties>"
        f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def statement(*entries: str, number: int = 1) -> io.BytesIO:
    inside = HEAD.format(number=number) + "".join(entries)
    return io.BytesIO(f"{inside}</Stmt></BkToCstmrStmt></Document>".encode())


def take_in(office: Office, *entries: str, number: int = 1) -> ImportResult:
    return import_file(office, treasury.treasurer(office), statement(*entries, number=number))


def open_debits(office: Office) -> list[BankDebit]:
    with office.reading() as work:
        return bank_debits.open_debits(work)


def waiting(office: Office) -> list[Payment]:
    with office.reading() as work:
        return payments.unallocated(work)


def test_a_statement_pays_the_invoices_that_it_names(office: Office) -> None:
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    bond, fee = treasury.invoices(office, server_id)
    result = take_in(
        office,
        entry(BOND, f"bond {make_reference(bond.id)}", ref="A1"),
        entry(FEE, "yearly fee", ref="A2", end_to_end=make_reference(fee.id)),
        entry(5_000, "a gift", ref="A3"),
        entry(7_000, make_reference(bond.id), ref="A4", status="PDNG"),
    )
    assert result == ImportResult(matched=2, unmatched=1)
    assert treasury.state_of(office, server_id) is State.ACTIVE
    (gift,) = waiting(office)
    assert (gift.amount, gift.note, gift.payer) == (5_000, "a gift", "Zoe Muller")
    assert treasury.balances(office)[Purpose.BANK] == -(BOND + FEE + 5_000)
    treasury.check_ledger(office)


def test_the_same_statement_again_changes_nothing(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    lines = (
        entry(100_000, make_reference(bond.id), ref="A1"),
        entry(100_000, make_reference(bond.id)),
        entry(100_000, make_reference(bond.id)),
        entry(300, "charges", ref="A2", debit=True),
    )
    first = take_in(office, *lines)
    assert first == ImportResult(matched=2, unmatched=1, unsettled=1)
    before = treasury.balances(office)
    assert take_in(office, *lines) == ImportResult(known=4)
    # The daily statement's entry comes in the monthly one once more.
    assert take_in(office, lines[0], number=2) == ImportResult(known=1)
    assert treasury.balances(office) == before


def test_the_same_statement_taken_in_by_two_at_once_counts_once(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    lines = [entry(1_000, make_reference(bond.id), ref=f"A{number}") for number in range(20)]
    treasury.treasurer(office)
    results = at_once(*[lambda: take_in(office, *lines)] * 3)
    counts = [one for one in results if isinstance(one, ImportResult)]
    assert len(counts) == 3, results
    assert sum(one.matched for one in counts) == 20
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: 20_000}
    treasury.check_ledger(office)


def test_a_statement_with_an_error_at_its_end_changes_nothing(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    good = entry(BOND, make_reference(bond.id), ref="A1")
    actor = treasury.treasurer(office)
    with pytest.raises(CamtError):
        import_file(office, actor, statement(good, good.replace("CRDT", "WHAT")))
    assert treasury.balances(office) == {}
    stranger = Actor(Role.AUDITOR, life.make_account(office))
    with pytest.raises(ForbiddenError):
        import_file(office, stranger, statement(good))


@pytest.mark.parametrize("known_by", ["ref", "end_to_end"])
def test_a_payment_that_the_bank_takes_back_is_taken_back(office: Office, known_by: str) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    how = {known_by: "N-4711"}
    take_in(office, entry(BOND, make_reference(bond.id), **how))  # type: ignore[arg-type]
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    back = entry(BOND, "no funds", debit=True, reversal=True, **how)  # type: ignore[arg-type]
    assert take_in(office, back, number=2) == ImportResult(settled=1)
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: 0}
    assert treasury.balances(office)[Purpose.BANK] == 0
    assert treasury.open_invoice(office, server_id, InvoiceKind.BOND).id == bond.id
    assert open_debits(office) == []


def test_what_cannot_be_taken_back_any_more_waits_and_is_a_loss(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    take_in(office, entry(BOND, make_reference(bond.id), ref="N1"))
    treasury.withdraw(office, server_id)
    actor = treasury.treasurer(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        payouts.pay_out(work, actor, server, BOND, currency="USD", bank_reference="P1")
    back = entry(BOND, "no funds", debit=True, reversal=True, ref="N1")
    assert take_in(office, back, number=2) == ImportResult(unsettled=1)
    (debit,) = open_debits(office)
    with office.work() as work:
        found = work.session.get_one(BankDebit, debit.id)
        bank_debits.settle_as_charge(work, actor, found, "Lost: paid out before.")
    assert treasury.balances(office) == {
        Purpose.BANK: BOND,
        Purpose.UNALLOCATED: 0,
        Purpose.CHARGES: -BOND,
    }
    treasury.check_ledger(office)


def test_a_payout_is_known_again_on_the_statement(office: Office) -> None:
    server_id = treasury.make_active(office)
    treasury.withdraw(office, server_id)
    actor = treasury.treasurer(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        payouts.pay_out(work, actor, server, BOND, currency="USD", bank_reference="PO-17")
    lines = (
        entry(BOND, "refund", debit=True, end_to_end="PO-17", ref="B1"),
        entry(BOND, "refund", debit=True, end_to_end="PO-17", ref="B2"),
    )
    # The second is no payout that we know of.
    assert take_in(office, *lines) == ImportResult(settled=1, unsettled=1)
    (debit,) = open_debits(office)
    assert (debit.payee, debit.bank_reference) == ("Zoe Muller", "B2")
    treasury.check_ledger(office)


def settle(office: Office, operation: Any, debit_id: int, *args: Any) -> Any:
    actor = treasury.treasurer(office)
    with office.work() as work:
        found = [
            work.session.get_one(type(one), one.id) if not isinstance(one, str) else one
            for one in args
        ]
        return operation(work, actor, work.session.get_one(BankDebit, debit_id), *found)


def test_a_treasurer_says_what_a_debit_is(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment_id = treasury.pay(office, bond)
    take_in(
        office,
        entry(BOND, "your payment", debit=True, ref="B1"),
        entry(450, "fees of March", debit=True, ref="B2"),
        entry(900, "sent back", debit=True, ref="B3"),
    )
    reversal, charge, payout = open_debits(office)
    payment = treasury.payment_of(office, payment_id)
    with pytest.raises(OperationError, match="another amount"):
        settle(office, bank_debits.settle_as_reversal, charge.id, payment)
    settle(office, bank_debits.settle_as_reversal, reversal.id, payment)
    with pytest.raises(ConflictError, match="settled this already"):
        settle(office, bank_debits.settle_as_charge, reversal.id, "No, a charge.")
    with pytest.raises(OperationError, match="Say what"):
        settle(office, bank_debits.settle_as_charge, charge.id, " ")
    settle(office, bank_debits.settle_as_charge, charge.id, "Account fees of March.")

    actor = treasury.treasurer(office)
    with office.work() as work:
        wrong = payments.record(work, actor, treasury.receipt(office, None, 900))
        sent = payments.give_back(work, actor, wrong, 900, "T9")
    with office.reading() as work:
        gone = work.session.get_one(Transfer, sent.id)
    settle(office, bank_debits.settle_as_payout, payout.id, gone)
    assert open_debits(office) == []
    with office.reading() as work:
        settled = [
            work.session.get_one(BankDebit, one.id).state for one in (reversal, charge, payout)
        ]
    assert settled == [DebitState.REVERSAL, DebitState.CHARGE, DebitState.PAYOUT]
    assert treasury.balances(office)[Purpose.CHARGES] == -450
    assert treasury.balances(office)[Purpose.BANK] == 450
    treasury.check_ledger(office)


def test_what_the_bank_gives_back_pays_no_invoice(office: Office) -> None:
    server_id = treasury.make_offered(office)
    fee = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    take_in(office, entry(FEE, make_reference(fee.id), reversal=True, ref="C1"))
    (payment,) = waiting(office)
    assert treasury.open_invoice(office, server_id, InvoiceKind.FEE).id == fee.id
    actor = treasury.treasurer(office)
    with office.work() as work:
        found = work.session.get_one(Payment, payment.id)
        bank_debits.charge_came_back(work, actor, found, "Charged twice.")
    assert waiting(office) == []
    assert treasury.balances(office)[Purpose.CHARGES] == FEE


def test_the_fee_counts_from_the_day_on_which_it_reached_the_bank(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_offered(office)
    fee = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    clock.advance(days=20)
    take_in(office, entry(FEE, make_reference(fee.id), ref="A1"))
    until = treasury.server_of(office, server_id).fee_paid_until
    assert until is not None
    assert until.isoformat() == "2027-03-02"
    (event,) = treasury.events(office, server_id, Happening.FEE_PAID)
    assert event.details == {"invoice": fee.id, "before": None, "until": "2027-03-02"}
    assert treasury.invoices(office, server_id, InvoiceKind.FEE)[0].state is InvoiceState.PAID
