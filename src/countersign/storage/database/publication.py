"""What becomes public: the journal of the zone, and figures that pages show (DESIGN §7)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import (
    Base,
    BigKey,
    Hostname,
    Key,
    Text32,
    Text64,
    Text255,
    enum_column,
)


class Listing(StrEnum):
    """How the zone names a host."""

    REGISTERED = "registered"
    SUSPENDED = "suspended"
    ABSENT = "absent"


class ZoneChange(Base):
    """One change of the public zone, in order. Append-only."""

    __tablename__ = "zone_change"

    id: Mapped[Key]
    at: Mapped[datetime.datetime]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    hostname: Mapped[Hostname]
    listing: Mapped[Listing] = mapped_column(enum_column(Listing))
    text: Mapped[Text255]
    """Public reason; empty unless suspended."""
    event_id: Mapped[int] = mapped_column(ForeignKey("server_event.id"))

    __table_args__ = (Index("ix_zone_change_hostname", "hostname", "id"),)


class PlaceCount(Base):
    """How many registered servers a city has: the directory's figures, kept as they change."""

    __tablename__ = "place_count"

    region: Mapped[Text32]
    country: Mapped[str] = mapped_column(primary_key=True)
    city: Mapped[Text255] = mapped_column(primary_key=True)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    servers: Mapped[int]
    providers: Mapped[int]
    """Those among them that take customers."""


class MonthCount(Base):
    """How often something happened in a month: the transparency page's figures."""

    __tablename__ = "month_count"

    month: Mapped[datetime.date] = mapped_column(primary_key=True)
    """Its first day."""
    kind: Mapped[Text64] = mapped_column(primary_key=True)
    """An action of the life cycle, 'forfeited', or an amount 'forfeited USD'."""
    count: Mapped[int] = mapped_column(BigKey)


class StateCount(Base):
    """How many servers are in a state."""

    __tablename__ = "state_count"

    state: Mapped[Text32] = mapped_column(primary_key=True)
    servers: Mapped[int]


class Fact(Base):
    """A single fact that the registrar remembers, e.g. when it first started."""

    __tablename__ = "fact"

    name: Mapped[Text64] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]


class ZoneVersion(Base):
    """One version of the public zone: the journal that secondaries follow (RFC 1995).

    Never changed; the oldest ones are removed when the journal is long.
    """

    __tablename__ = "zone_version"

    id: Mapped[Key]
    serial: Mapped[int] = mapped_column(BigInteger, index=True)
    """Of the SOA record: 32 bits (RFC 1982)."""
    at: Mapped[datetime.datetime]
    follows: Mapped[bool]
    """False: no changes lead here from the version before, so that secondaries take it whole."""
    changes: Mapped[bytes]
    """From the version before; see `registry/zone/changes.py`."""
    records: Mapped[int] = mapped_column(BigInteger)
    """How many the whole zone has."""
    node_sum: Mapped[bytes]
    """Of the whole zone; see `registry/zone/digest.py`."""


class ServerAddress(Base):
    """An address of a registered server, as its host name was last resolved."""

    __tablename__ = "server_address"

    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), primary_key=True)
    address: Mapped[Text64] = mapped_column(primary_key=True)
    """IPv4 or IPv6, in the standard form of Python's ipaddress."""
    found_at: Mapped[datetime.datetime]
    """When it was first seen."""

    __table_args__ = (Index("ix_server_address_address", "address", "server_id"),)
