"""The ledger, invoices, payments, forfeitures, sponsors (DESIGN §6).

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
    Currency,
    Digest,
    Key,
    Text32,
    Text64,
    Text255,
    Text1000,
    enum_column,
)


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


class LedgerAccount(Base):
    """An account of the ledger, in one currency."""

    __tablename__ = "ledger_account"

    id: Mapped[Key]
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose))
    currency: Mapped[Currency]
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"), index=True)

    __table_args__ = (
        UniqueConstraint("id", "currency"),
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


class InvoiceKind(StrEnum):
    """What an invoice asks for."""

    BOND = "bond"
    FEE = "fee"


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

    __table_args__ = (
        CheckConstraint("amount > 0", name="positive"),
        Index("ix_invoice_state", "state", "due_on", "id"),
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
    allocated: Mapped[Amount] = mapped_column(default=0)
    """How much of it has been put to invoices or returned."""
    recorded_at: Mapped[datetime.datetime]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))

    __table_args__ = (
        UniqueConstraint("source", "external_key"),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("allocated >= 0 AND allocated <= amount", name="allocated"),
    )


class ForfeitureState(StrEnum):
    """Where a forfeiture stands."""

    PROPOSED = "proposed"
    EXECUTED = "executed"
    DROPPED = "dropped"


class Forfeiture(Base):
    """A bond to be forfeited, once the owner had time to reply or a second person agrees."""

    __tablename__ = "forfeiture"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    state: Mapped[ForfeitureState] = mapped_column(enum_column(ForfeitureState))
    amount: Mapped[Amount]
    currency: Mapped[Currency]
    reason: Mapped[Text1000]
    proposed_by: Mapped[int] = mapped_column(ForeignKey("account.id"))
    proposed_at: Mapped[datetime.datetime]
    reply_until: Mapped[datetime.datetime]
    reply: Mapped[Text1000] = mapped_column(default="")
    replied_at: Mapped[datetime.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    decided_at: Mapped[datetime.datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (Index("ix_forfeiture_state", "state", "id"),)


class SponsorshipState(StrEnum):
    """Where a sponsorship stands."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ENDED = "ended"


class Sponsorship(Base):
    """A registered server that vouches for another."""

    __tablename__ = "sponsorship"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    """The server that is vouched for."""
    sponsor_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    """The server that vouches."""
    state: Mapped[SponsorshipState] = mapped_column(enum_column(SponsorshipState))
    share: Mapped[Amount] = mapped_column(default=0)
    """What the sponsor risks, as it was shown when asked."""
    asked_at: Mapped[datetime.datetime]
    decided_at: Mapped[datetime.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    undertaking_version: Mapped[Text32] = mapped_column(default="")
    undertaking_hash: Mapped[Text64] = mapped_column(default="")

    __table_args__ = (
        CheckConstraint("server_id <> sponsor_id", name="another"),
        UniqueConstraint("server_id", "sponsor_id"),
    )


class ContractAcceptance(Base):
    """A contract text as it was accepted, kept as PDF. Append-only."""

    __tablename__ = "contract_acceptance"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[Text32]
    version: Mapped[Text32]
    text_hash: Mapped[Digest]
    pdf: Mapped[bytes]
    pdf_hash: Mapped[Digest]
    accepted_at: Mapped[datetime.datetime]
