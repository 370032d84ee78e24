"""Probes, what they are told to do, and the mail that comes of it (DESIGN §8).

The list of probes is private: nothing here is shown to anybody but staff.
"""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import (
    Base,
    Digest,
    Key,
    Text32,
    Text64,
    Text255,
)


class Probe(Base):
    """One that tests servers from another network."""

    __tablename__ = "probe"

    id: Mapped[Key]
    name: Mapped[Text64]
    """Lower-case letters, digits, hyphens."""
    network: Mapped[Text64]
    """The range that it stands in, CIDR notation. Its addresses may change within, or without."""
    as_number: Mapped[int | None] = mapped_column(BigInteger)
    place: Mapped[Text255] = mapped_column(default="")
    """Where it is, for staff."""
    invited_at: Mapped[datetime.datetime]
    token_digest: Mapped[Digest | None] = mapped_column(unique=True)
    """Of the one-time token; None: withdrawn. Who repeats an enrolment with it has the same key."""
    token_ends_at: Mapped[datetime.datetime | None]
    enrolled_at: Mapped[datetime.datetime | None]
    public_key: Mapped[Text64] = mapped_column(default="")
    """Ed25519, 32 octets in base 64; empty: not enrolled."""
    seen_at: Mapped[datetime.datetime | None]
    """When it last asked for work, to the minute."""
    version: Mapped[Text64] = mapped_column(default="")
    """Of its program."""
    revoked_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        Index(
            "uq_probe_current_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )


class ProbeOrder(Base):
    """One run of the battery from one perspective."""

    __tablename__ = "probe_order"

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("test_run.id"))
    probe_id: Mapped[int] = mapped_column(ForeignKey("probe.id"))
    label: Mapped[Text32]
    """What the perspective is called towards the owner: A, B, C."""
    mark: Mapped[Text32] = mapped_column(unique=True)
    """Begins the local part of its test addresses; see `certification.test_address`."""
    made_at: Mapped[datetime.datetime]
    fetched_at: Mapped[datetime.datetime | None]
    ends_at: Mapped[datetime.datetime]
    """A result that has not come by then does not come."""
    ended_at: Mapped[datetime.datetime | None]
    result: Mapped[dict[str, Any]]
    """A `BatteryResult`; empty: none came, or it has gone into the run's report."""
    result_digest: Mapped[Digest | None]
    """SHA-256 of the result, by which the same one is known when it is sent again; None: none
    came."""

    __table_args__ = (
        UniqueConstraint("run_id", "probe_id"),
        Index(
            "ix_probe_order_open",
            "probe_id",
            "id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class Arrival(Base):
    """A message that came to the test mailbox: proof that a server relays, or bounces."""

    __tablename__ = "arrival"

    id: Mapped[Key]
    order_id: Mapped[int] = mapped_column(ForeignKey("probe_order.id"), index=True)
    kind: Mapped[Text32]
    """`certification.test_address.Kind`: 'r' or 'b'."""
    number: Mapped[Text32]
    """Which of the order's messages it is."""
    arrived_at: Mapped[datetime.datetime]
    from_address: Mapped[Text64]
    """IP address that it came from."""
    hello: Mapped[Text255]
    """What that called itself, made printable."""
    head: Mapped[bytes]
    """The beginning of the message as it came: evidence."""
    settled_at: Mapped[datetime.datetime | None]
    """When it went into the run's report, or was found to have come after it; None: not yet."""

    __table_args__ = (UniqueConstraint("order_id", "kind", "number"),)


class SendingTest(Base):
    """A server is to send a message, so that it is seen how it proves itself as a sender."""

    __tablename__ = "sending_test"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    mark: Mapped[Text32] = mapped_column(unique=True)
    """The local part of the recipient is `s-MARK`."""
    made_at: Mapped[datetime.datetime]
    ends_at: Mapped[datetime.datetime]
    ended_at: Mapped[datetime.datetime | None]
    verdict: Mapped[Text32] = mapped_column(default="")
    """Empty: nothing came yet; else as of `TestRun`."""
    result: Mapped[dict[str, Any]]
    """A `BatteryResult` with the transcript."""


class SigningKey(Base):
    """A key that the registrar signs with, sealed."""

    __tablename__ = "signing_key"

    id: Mapped[Key]
    purpose: Mapped[Text32] = mapped_column(unique=True)
    """What it signs: 'probe orders'."""
    public_key: Mapped[Text64]
    """Ed25519, 32 octets in base 64."""
    sealed: Mapped[bytes]
    """The private key's 32 octets, sealed with the context `signing-key:PURPOSE`."""
    made_at: Mapped[datetime.datetime]
