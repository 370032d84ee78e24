"""What becomes public: the journal of the zone, and figures that pages show (DESIGN §7)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
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
