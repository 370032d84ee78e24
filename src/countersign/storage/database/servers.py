"""Servers, their applications, and the log of all that happened to them (DESIGN §6)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from countersign.rules.life_cycle import LIVE, State
from countersign.rules.roles import Role
from countersign.storage.database.base import (
    Amount,
    Base,
    Currency,
    Digest,
    Hostname,
    Key,
    Text32,
    Text64,
    Text255,
    Text1000,
    enum_column,
)


def _states(states: frozenset[State]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


class ApplicantKind(StrEnum):
    """Who owns a server."""

    INDIVIDUAL = "individual"
    BUSINESS = "business"


class Server(Base):
    """A mail server under application or registered. Nothing here is secret but the owner.

    ``version`` counts the changes of state: who decides says which version he saw.
    """

    __tablename__ = "server"

    id: Mapped[Key]
    hostname: Mapped[Hostname]
    """Normalised: lower case, A-labels, no final dot."""
    state: Mapped[State] = mapped_column(enum_column(State))
    state_since: Mapped[datetime.datetime]
    version: Mapped[int] = mapped_column(default=1)
    owner_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    admin_contact_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[ApplicantKind] = mapped_column(enum_column(ApplicantKind))
    created_at: Mapped[datetime.datetime]
    submitted_at: Mapped[datetime.datetime | None]
    in_dns_at: Mapped[datetime.datetime | None]
    """When the host name was last seen to have an address."""

    # The public directory.
    display_name: Mapped[Text255] = mapped_column(default="")
    display_key: Mapped[Hostname] = mapped_column(default="")
    """The display name folded, for searching by its beginning."""
    country: Mapped[str] = mapped_column(default="")
    """ISO 3166-1 alpha-2, where the server stands."""
    region: Mapped[Text32] = mapped_column(default="")
    """Continent code, e.g. EU."""
    city: Mapped[Text255] = mapped_column(default="")
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    takes_customers: Mapped[bool] = mapped_column(default=False)
    """An ISP or mail provider that others may join."""
    public_email: Mapped[Text255] = mapped_column(default="")
    public_phone: Mapped[Text32] = mapped_column(default="")
    website: Mapped[Text255] = mapped_column(default="")

    # Domain, bond, fee.
    domain: Mapped[Text255] = mapped_column(default="")
    domain_registered_on: Mapped[datetime.date | None]
    matched_offender: Mapped[bool] = mapped_column(default=False)
    offences: Mapped[int] = mapped_column(default=0)
    last_offence_on: Mapped[datetime.date | None]
    active_since: Mapped[datetime.date | None]
    """First day of sending privileges, counted anew after they were lost for good."""
    bond_due: Mapped[Amount] = mapped_column(default=0)
    bond_currency: Mapped[Currency] = mapped_column(default="")
    bond_reasons: Mapped[list[str]] = mapped_column(default=list)
    fee_paid_until: Mapped[datetime.date | None]
    offer_ends_on: Mapped[datetime.date | None]
    fee_reminder: Mapped[int | None]
    """The last reminder sent, in days before the end; None: none for this year yet."""
    public_reason: Mapped[Text255] = mapped_column(default="")
    """Why it is suspended, as the public zone says it: no personal data."""
    remedy: Mapped[Text1000] = mapped_column(default="")
    """What lifts the suspension; empty: nothing beside bond, fee and contract."""
    remedy_done_at: Mapped[datetime.datetime | None]

    # Certification.
    control_token: Mapped[Text64] = mapped_column(default="")
    """What whoever controls the host publishes in its DNS or lets its gateway announce; empty:
    not given out yet. It is no secret."""
    control_proven_at: Mapped[datetime.datetime | None]
    """When control of the host was first seen to be proven."""
    control_method: Mapped[Text32] = mapped_column(default="")
    """By what: 'dns' or 'gateway'."""
    control_checked_at: Mapped[datetime.datetime | None]
    """When it was last looked for."""
    control_seen: Mapped[Text1000] = mapped_column(default="")
    """What was seen then, in words."""
    next_test_at: Mapped[datetime.datetime | None]
    """When it is tested again of itself; None: not while it is as it is."""

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's declaration form
    __table_args__ = (
        Index(
            "uq_server_live_hostname",
            "hostname",
            unique=True,
            sqlite_where=text(f"state IN ({_states(LIVE)})"),
            postgresql_where=text(f"state IN ({_states(LIVE)})"),
        ),
        Index("ix_server_hostname", "hostname", "id"),
        Index("ix_server_state", "state", "state_since", "id"),
        Index("ix_server_owner", "owner_id", "id"),
        Index("ix_server_agent", "agent_id", "id"),
        Index("ix_server_admin_contact", "admin_contact_id", "id"),
        Index("ix_server_fee", "state", "fee_paid_until"),
        Index("ix_server_offer", "state", "offer_ends_on"),
        Index("ix_server_next_test", "next_test_at"),
        *(
            Index(
                f"ix_server_directory_{name}",
                *columns,
                sqlite_where=text(f"state = '{State.ACTIVE}'"),
                postgresql_where=text(f"state = '{State.ACTIVE}'"),
            )
            for name, columns in (
                ("place", ("country", "city", "display_key", "id")),
                ("name", ("display_key", "id")),
                ("providers", ("takes_customers", "country", "city", "display_key", "id")),
            )
        ),
    )


class ServerEvent(Base):
    """One thing that happened to a server: who, when, why. Append-only."""

    __tablename__ = "server_event"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    at: Mapped[datetime.datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """None: the registrar itself."""
    role: Mapped[Role] = mapped_column(enum_column(Role))
    action: Mapped[Text32]
    """An `Action` of the life cycle, or another word for what changed no state."""
    from_state: Mapped[State | None] = mapped_column(enum_column(State))
    to_state: Mapped[State | None] = mapped_column(enum_column(State))
    reason: Mapped[Text1000] = mapped_column(default="")
    """For the owner and staff."""
    public_text: Mapped[Text255] = mapped_column(default="")
    """For everybody; empty: the public sees the action only, and only if the state changed."""
    details: Mapped[dict[str, Any]]
    """Evidence: keys of documents, test runs, transfers; figures. No personal data."""

    __table_args__ = (
        Index("ix_server_event_server", "server_id", "id"),
        Index("ix_server_event_at", "at"),
        Index(
            "ix_server_event_proposed",
            "id",
            sqlite_where=text("action = 'deregistration-proposed'"),
            postgresql_where=text("action = 'deregistration-proposed'"),
        ),
    )


IS_ACTIVE: ColumnElement[bool] = Server.state == literal_column(f"'{State.ACTIVE}'")
"""Written out, not bound: only so can an engine tell that an index of active servers will do."""


class Particulars(Base):
    """What an applicant said of himself, sealed."""

    __tablename__ = "particulars"

    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), primary_key=True)
    sealed: Mapped[bytes]
    updated_at: Mapped[datetime.datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class ContactConfirmation(Base):
    """An e-mail address of an application, and whether its owner has confirmed it."""

    __tablename__ = "contact_confirmation"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    contact: Mapped[Text32]
    """E.g. 'owner', 'admin'."""
    address_digest: Mapped[Digest]
    asked_at: Mapped[datetime.datetime]
    confirmed_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        UniqueConstraint("server_id", "contact", "address_digest"),
        Index("ix_contact_confirmation_address", "address_digest", "asked_at"),
    )


class Document(Base):
    """An uploaded scan; its content is in :class:`DocumentContent`."""

    __tablename__ = "document"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    kind: Mapped[Text32]
    """E.g. 'drivers-licence', 'birth-certificate', 'incorporation', 'domain-age'."""
    subject: Mapped[Text32]
    """Whose it is, e.g. 'owner', 'company', 'director-0', 'admin'."""
    content_type: Mapped[Text64]
    size: Mapped[int]
    sha256: Mapped[Digest]
    pages: Mapped[int]
    uploaded_by: Mapped[int] = mapped_column(ForeignKey("account.id"))
    uploaded_at: Mapped[datetime.datetime]
    removed_at: Mapped[datetime.datetime | None]


class DocumentContent(Base):
    """The octets of a scan, sealed; removed with the document, while its record stays."""

    __tablename__ = "document_content"

    document_id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    sealed: Mapped[bytes]


class TestRun(Base):
    """One run of the certification battery against a server."""

    __tablename__ = "test_run"
    __test__ = False
    """Not a test of ours, whatever its name says."""

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    cause: Mapped[Text32]
    """'application', 'owner', 'staff', 'report', 'schedule', 'arrival' (a message of an earlier
    test came after all)."""
    asked_at: Mapped[datetime.datetime]
    ended_at: Mapped[datetime.datetime | None]
    verdict: Mapped[Text32] = mapped_column(default="")
    """Empty: not made yet; else 'passed', 'failed', 'could-not-test'."""
    differs: Mapped[bool] = mapped_column(default=False)
    """Some perspectives saw it pass and others saw it fail."""
    trouble: Mapped[Text255] = mapped_column(default="")
    """Why no probe was told to make it, for staff only; empty: probes were."""
    result: Mapped[dict[str, Any]]
    """A `certification.report.Report`; empty: none."""

    __table_args__ = (Index("ix_test_run_server", "server_id", "id"),)
