"""The ledger, invoices, payments (DESIGN §6).

The ledger is double-entry by shape: a transfer names the account it debits and the account it
credits, and one positive amount. So it sums to zero whatever is written; no trigger or check
over several rows is needed, and both engines enforce it alike.
"""

from __future__ import annotations

import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import (
    Amount,
    Base,
    BigKey,
    Currency,
    Key,
    Text255,
    enum_column,
)
from countersign.storage.database.promises import Sponsorship


class Purpose(StrEnum):
    """What a ledger account is for."""

    BANK = "bank"
    """Money at the bank (an asset: its balance is debit)."""
    UNALLOCATED = "unallocated"
    """Received, and not yet known what for."""
    BOND_HELD = "bond-held"
    """Bonds, owed back to the owners; one account for each server."""
    BOND_FORFEITED = "bond-forfeited"
    """Bonds that owners have lost."""
    FEE_INCOME = "fee-income"
    """Yearly fees."""
    REFUND_DUE = "refund-due"
    """To be paid out; one account for each server."""
    CHARGES = "charges"
    """What the bank charges, and money lost (an asset side account, like the bank's)."""


PER_SERVER = frozenset({Purpose.BOND_HELD, Purpose.REFUND_DUE})
"""Purposes of which every server has an account of its own."""


class LedgerAccount(Base):
    """An account of the ledger, in one currency."""

    __tablename__ = "ledger_account"

    id: Mapped[Key]
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose))
    currency: Mapped[Currency]
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"), index=True)
    balance: Mapped[Amount] = mapped_column(default=0)
    """Credit minus debit, kept with each transfer; of accounts of one server only, because all
    transactions would wait for one another at the common ones: see `LedgerTotal`."""

    __table_args__ = (
        UniqueConstraint("id", "currency"),
        CheckConstraint("balance >= 0", name="not_below_zero"),
        Index(
            "ix_ledger_account_not_empty",
            "purpose",
            "id",
            sqlite_where=text("balance > 0"),
            postgresql_where=text("balance > 0"),
        ),
        Index(
            "uq_ledger_account_own",
            "purpose",
            "currency",
            "server_id",
            unique=True,
            sqlite_where=text("server_id IS NOT NULL"),
            postgresql_where=text("server_id IS NOT NULL"),
        ),
        Index(
            "uq_ledger_account_common",
            "purpose",
            "currency",
            unique=True,
            sqlite_where=text("server_id IS NULL"),
            postgresql_where=text("server_id IS NULL"),
        ),
    )


class TransferKind(StrEnum):
    """Why money moved."""

    PAYMENT = "payment"
    ALLOCATION = "allocation"
    FORFEITURE = "forfeiture"
    REFUND = "refund"
    PAYOUT = "payout"
    REVERSAL = "reversal"
    CHARGE = "charge"


class Transfer(Base):
    """An entry of the ledger: one amount, from one account to another. Append-only."""

    __tablename__ = "transfer"

    id: Mapped[Key]
    at: Mapped[datetime.datetime] = mapped_column(index=True)
    kind: Mapped[TransferKind] = mapped_column(enum_column(TransferKind))
    debit_account_id: Mapped[int]
    credit_account_id: Mapped[int]
    amount: Mapped[Amount]
    currency: Mapped[Currency]
    reference: Mapped[Text255] = mapped_column(unique=True)
    """Names the cause: the same cause cannot move money twice."""
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"), index=True)
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"), index=True)
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"), index=True)
    event_id: Mapped[int | None] = mapped_column(ForeignKey("server_event.id"))
    """The event that explains it."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """Who made it; None: the registrar itself."""

    __table_args__ = (
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("debit_account_id <> credit_account_id", name="moves"),
        ForeignKeyConstraint(
            ["debit_account_id", "currency"], ["ledger_account.id", "ledger_account.currency"]
        ),
        ForeignKeyConstraint(
            ["credit_account_id", "currency"], ["ledger_account.id", "ledger_account.currency"]
        ),
        Index("ix_transfer_debit", "debit_account_id", "id"),
        Index("ix_transfer_credit", "credit_account_id", "id"),
    )


class LedgerTotal(Base):
    """All transfers of a purpose up to a certain one, added up: a trial balance begins here."""

    __tablename__ = "ledger_total"

    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose), primary_key=True)
    currency: Mapped[Currency] = mapped_column(primary_key=True)
    through_id: Mapped[int] = mapped_column(BigKey)
    """The last transfer in it; the same in all rows."""
    debit: Mapped[Amount]
    credit: Mapped[Amount]


class InvoiceKind(StrEnum):
    """What an invoice asks for."""

    BOND = "bond"
    FEE = "fee"
    SPONSOR_SHARE = "sponsor-share"
    """What a sponsor owes after the server that it vouched for was found to have spammed."""


class InvoiceState(StrEnum):
    """Where an invoice stands."""

    OPEN = "open"
    PAID = "paid"
    CANCELLED = "cancelled"


class Invoice(Base):
    """A demand for money; its number is its key."""

    __tablename__ = "invoice"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    kind: Mapped[InvoiceKind] = mapped_column(enum_column(InvoiceKind))
    state: Mapped[InvoiceState] = mapped_column(enum_column(InvoiceState))
    amount: Mapped[Amount]
    currency: Mapped[Currency]
    issued_at: Mapped[datetime.datetime]
    due_on: Mapped[datetime.date]
    settled_at: Mapped[datetime.datetime | None]
    sponsorship_id: Mapped[int | None] = mapped_column(ForeignKey(Sponsorship.id), unique=True)
    """Of a sponsor's share: what it follows from; claimed once."""
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's declaration form
    __table_args__ = (
        CheckConstraint("amount > 0", name="positive"),
        Index("ix_invoice_state", "state", "due_on", "id"),
        Index(
            "uq_invoice_open",
            "server_id",
            "kind",
            unique=True,
            sqlite_where=text("state = 'open' AND kind <> 'sponsor-share'"),
            postgresql_where=text("state = 'open' AND kind <> 'sponsor-share'"),
        ),
    )


class PaymentSource(StrEnum):
    """How a payment came to be known."""

    TREASURER = "treasurer"
    STATEMENT = "statement"
    PROVIDER = "provider"


class Payment(Base):
    """Money that came in."""

    __tablename__ = "payment"

    id: Mapped[Key]
    source: Mapped[PaymentSource] = mapped_column(enum_column(PaymentSource))
    external_key: Mapped[Text255]
    """The bank's or provider's own key, or the treasurer's reference: counted once."""
    amount: Mapped[Amount]
    currency: Mapped[Currency]
    received_on: Mapped[datetime.date]
    note: Mapped[Text255] = mapped_column(default="")
    """The payment reference as it was given."""
    payer: Mapped[Text255] = mapped_column(default="")
    """Who paid, as the bank says: for treasurers, who may have to give it back."""
    bank_reference: Mapped[Text255] = mapped_column(default="")
    end_to_end_id: Mapped[Text255] = mapped_column(default="")
    """By these the bank names a payment that it takes back."""
    allocated: Mapped[Amount] = mapped_column(default=0)
    """How much of it has been put to invoices or returned."""
    recorded_at: Mapped[datetime.datetime]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    taken_back_at: Mapped[datetime.datetime | None]
    """When the bank took it back, or it was found to be recorded twice."""
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        UniqueConstraint("source", "external_key"),
        Index(
            "ix_payment_not_allocated",
            "id",
            sqlite_where=text("allocated < amount"),
            postgresql_where=text("allocated < amount"),
        ),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("allocated >= 0 AND allocated <= amount", name="allocated"),
    )


class DebitState(StrEnum):
    """What a debit on a bank statement was found to be."""

    OPEN = "open"
    """Not known yet: a treasurer must look."""
    PAYOUT = "payout"
    """Money that we paid out, or gave back."""
    REVERSAL = "reversal"
    """The bank took back a payment that had come in."""
    CHARGE = "charge"
    """The bank's charge, or a loss."""


class BankDebit(Base):
    """A debit on a bank statement, to be brought together with the ledger."""

    __tablename__ = "bank_debit"

    id: Mapped[Key]
    external_key: Mapped[Text255] = mapped_column(unique=True)
    amount: Mapped[Amount]
    currency: Mapped[Currency]
    booked_on: Mapped[datetime.date]
    note: Mapped[Text255] = mapped_column(default="")
    payee: Mapped[Text255] = mapped_column(default="")
    bank_reference: Mapped[Text255] = mapped_column(default="")
    end_to_end_id: Mapped[Text255] = mapped_column(default="")
    is_reversal: Mapped[bool] = mapped_column(default=False)
    """The bank says that it takes an earlier credit back."""
    state: Mapped[DebitState] = mapped_column(enum_column(DebitState), default=DebitState.OPEN)
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfer.id"), unique=True)
    """The entry of the ledger that it is."""
    settled_at: Mapped[datetime.datetime | None]
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint("amount > 0", name="positive"),
        Index("ix_bank_debit_state", "state", "id"),
    )
