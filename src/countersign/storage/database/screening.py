"""Known offenders, screenings of applicants, queries by operators (DESIGN §6)."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from countersign.rules.screening import Level, Verdict
from countersign.storage.database.base import (
    Base,
    Digest,
    Key,
    Text32,
    Text64,
    Text255,
    Text1000,
    enum_column,
)


class Offender(Base):
    """A person or company that spammed. The name is kept folded for comparison, and sealed."""

    __tablename__ = "offender"

    id: Mapped[Key]
    level: Mapped[Level] = mapped_column(enum_column(Level))
    name_key: Mapped[Text255]
    """The name folded (`rules.screening.fold_name`)."""
    birth_date: Mapped[datetime.date | None] = mapped_column(index=True)
    address_key: Mapped[Text255]
    sealed: Mapped[bytes]
    """Name, address as given."""
    offence_on: Mapped[datetime.date]
    case_reference: Mapped[Text64]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    recorded_at: Mapped[datetime.datetime]
    withdrawn_at: Mapped[datetime.datetime | None]
    withdrawn_reason: Mapped[Text1000] = mapped_column(default="")
    numbers: Mapped[list[OffenderNumber]] = relationship(
        lazy="selectin", cascade="all, delete-orphan"
    )


class OffenderNumber(Base):
    """An identity number of an offender, as a keyed hash."""

    __tablename__ = "offender_number"

    id: Mapped[Key]
    offender_id: Mapped[int] = mapped_column(ForeignKey("offender.id"), index=True)
    kind: Mapped[Text32]
    digest: Mapped[Digest] = mapped_column(index=True)


class ScreeningRecord(Base):
    """What a screening found, and what a screener decided."""

    __tablename__ = "screening_record"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    at: Mapped[datetime.datetime]
    verdict: Mapped[Verdict] = mapped_column(enum_column(Verdict))
    matches: Mapped[list[Any]]
    """Offender's key, level, score, exact, reasons of each."""
    decision: Mapped[Verdict | None] = mapped_column(enum_column(Verdict))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    decided_at: Mapped[datetime.datetime | None]
    reason: Mapped[Text1000] = mapped_column(default="")

    __table_args__ = (Index("ix_screening_record_server", "server_id", "id"),)


class DomainAgeRecord(Base):
    """Since when a domain is registered, and how that is known."""

    __tablename__ = "domain_age_record"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    at: Mapped[datetime.datetime]
    domain: Mapped[Text255]
    registered_on: Mapped[datetime.date | None]
    """None: could not be told."""
    source: Mapped[Text255]
    """The RDAP address that answered, or 'manual'."""
    evidence: Mapped[dict[str, Any]]
    document_id: Mapped[int | None] = mapped_column(ForeignKey("document.id"))
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))


class OffenderQuery(Base):
    """A question by a registered owner whether a person is a known offender. Append-only."""

    __tablename__ = "offender_query"

    id: Mapped[Key]
    at: Mapped[datetime.datetime]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    purpose: Mapped[Text255]
    question_digest: Mapped[Digest]
    """Keyed hash of the question: equal questions can be told, nothing be read."""
    answer: Mapped[Text32]
    """'none', or the level."""
    offender_id: Mapped[int | None] = mapped_column(ForeignKey("offender.id"))

    __table_args__ = (Index("ix_offender_query_account", "account_id", "at"),)
