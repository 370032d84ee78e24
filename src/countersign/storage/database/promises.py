"""Promises: sponsors, contracts, and bonds that are to be forfeited (DESIGN §6)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import (
    Amount,
    Base,
    Currency,
    Digest,
    Key,
    Text32,
    Text64,
    Text1000,
    enum_column,
)


class ForfeitureState(StrEnum):
    """Where a forfeiture stands."""

    PROPOSED = "proposed"
    EXECUTED = "executed"
    DROPPED = "dropped"


class Forfeiture(Base):
    """A finding that a server was used to spam, and what of its bond is to be forfeited for it.

    It takes effect once the owner had time to reply, or a second person agrees.
    """

    __tablename__ = "forfeiture"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    state: Mapped[ForfeitureState] = mapped_column(enum_column(ForfeitureState))
    amount: Mapped[Amount]
    """Zero: there is no bond to forfeit, but the offence goes on record, and sponsors answer."""
    currency: Mapped[Currency]
    offence_on: Mapped[datetime.date]
    """When the spam was sent: whoever vouched for the server then answers for it."""
    evidence: Mapped[dict[str, Any]]
    """Keys of reports, test runs; figures. No personal data."""
    reason: Mapped[Text1000]
    proposed_by: Mapped[int] = mapped_column(ForeignKey("account.id"))
    proposed_at: Mapped[datetime.datetime]
    reply_until: Mapped[datetime.datetime]
    reply: Mapped[Text1000] = mapped_column(default="")
    """The owner's; what sponsors reply is in the server's events."""
    replied_at: Mapped[datetime.datetime | None]
    """When the first reply came, the owner's or a sponsor's: a person must decide then."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    decided_at: Mapped[datetime.datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint("amount >= 0", name="not_below_zero"),
        Index("ix_forfeiture_state", "state", "reply_until", "id"),
        Index(
            "uq_forfeiture_proposed",
            "server_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
    )


class SponsorshipState(StrEnum):
    """Where a sponsorship stands."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ENDED = "ended"
    CALLED = "called"
    """The server that was vouched for spammed, and the sponsor's share was claimed."""


class Sponsorship(Base):
    """A registered server that vouches for another."""

    __tablename__ = "sponsorship"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    """The server that is vouched for."""
    sponsor_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    """The server that vouches."""
    state: Mapped[SponsorshipState] = mapped_column(enum_column(SponsorshipState))
    share: Mapped[Amount] = mapped_column(default=0)
    """What the sponsor risks at the most, as it was shown when asked."""
    currency: Mapped[Currency]
    asked_at: Mapped[datetime.datetime]
    accepted_at: Mapped[datetime.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    notice_at: Mapped[datetime.datetime | None]
    """When the sponsor gave notice; it answers until it is replaced, or the notice is over."""
    ended_at: Mapped[datetime.datetime | None]
    undertaking_version: Mapped[Text32] = mapped_column(default="")
    undertaking_hash: Mapped[Text64] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint("server_id <> sponsor_id", name="another"),
        UniqueConstraint("server_id", "sponsor_id"),
        Index("ix_sponsorship_sponsor", "sponsor_id", "state", "id"),
        Index("ix_sponsorship_state", "state", "id"),
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
