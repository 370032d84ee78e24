"""Who has copies of the zone: secondaries and replicas, their keys, how far each is (DESIGN §7)."""

from __future__ import annotations

import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import (
    Base,
    Key,
    Text32,
    Text64,
    Text255,
    enum_column,
)


class SecondaryKind(StrEnum):
    """What serves, or reads, a copy."""

    SECONDARY = "secondary"
    """A public name server: Knot, NSD, BIND."""
    SIGNER = "signer"
    """A public name server that signs the zone with DNSSEC on the way. It gets the zone without our
    digest, which would fit neither what it makes of it nor, when that is changed, what it has."""
    REPLICA = "replica"
    """The copy of a gateway's host."""


class Secondary(Base):
    """One that may transfer the zone."""

    __tablename__ = "secondary"

    id: Mapped[Key]
    name: Mapped[Text64]
    """Lower-case letters, digits, hyphens: it becomes part of the names of its keys."""
    kind: Mapped[SecondaryKind] = mapped_column(enum_column(SecondaryKind))
    place: Mapped[Text255] = mapped_column(default="")
    """Where it is, for people."""
    contact: Mapped[Text255] = mapped_column(default="")
    """E-mail address that is told when it is behind; empty: nobody but the staff."""
    notify: Mapped[list[str]]
    """ADDRESS:PORT that NOTIFY goes to."""
    ask: Mapped[Text64] = mapped_column(default="")
    """ADDRESS:PORT at which its serial is asked for; empty: what it asks us for tells."""
    added_at: Mapped[datetime.datetime]
    removed_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        Index(
            "uq_secondary_current_name",
            "name",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
    )


class SecondaryKey(Base):
    """A TSIG key of a secondary (RFC 8945). Two are good at a time while one takes over."""

    __tablename__ = "secondary_key"

    id: Mapped[Key]
    secondary_id: Mapped[int] = mapped_column(ForeignKey("secondary.id"), index=True)
    name: Mapped[Text255] = mapped_column(unique=True)
    """The key's name in the DNS, lower case, without the final dot."""
    algorithm: Mapped[Text32]
    """hmac-sha256, hmac-sha384 or hmac-sha512."""
    sealed: Mapped[bytes]
    """The secret's octets, sealed with the context `tsig:NAME`."""
    made_at: Mapped[datetime.datetime]
    ends_at: Mapped[datetime.datetime | None]
    """After a rotation: when it stops being good. None: it goes on."""
    revoked_at: Mapped[datetime.datetime | None]
    used_at: Mapped[datetime.datetime | None]
    """When a message signed with it last came, to the minute."""


class SecondaryState(Base):
    """How far a secondary is, as the primary saw it."""

    __tablename__ = "secondary_state"

    secondary_id: Mapped[int] = mapped_column(ForeignKey("secondary.id"), primary_key=True)
    serial: Mapped[int | None] = mapped_column(BigInteger)
    """The last version that it is known to have."""
    serial_at: Mapped[datetime.datetime | None]
    """When it became known to have it."""
    asked_at: Mapped[datetime.datetime | None]
    """When it last asked us, or answered us."""
    address: Mapped[Text64] = mapped_column(default="")
    """Where that came from."""
    transfer: Mapped[Text32] = mapped_column(default="")
    """Its last transfer: axfr or ixfr."""
    transferred_at: Mapped[datetime.datetime | None]
    octets: Mapped[int] = mapped_column(BigInteger, default=0)
    """Of its last transfer."""
    notified_serial: Mapped[int | None] = mapped_column(BigInteger)
    """The last version whose NOTIFY it acknowledged."""
    error: Mapped[Text255] = mapped_column(default="")
    """The last thing that went wrong; empty: nothing since its last success."""
    error_at: Mapped[datetime.datetime | None]
    behind_since: Mapped[datetime.datetime | None]
    """Since when it has lacked what is published; None: it is up to date."""
    alerted_at: Mapped[datetime.datetime | None]
    """When it was last said that it is behind; None: it need not be."""
