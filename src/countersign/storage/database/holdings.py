"""What a registered server has: privileged users, keys, traps (DESIGN §5, §6, §9)."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import Base, Key, Text32, Text64, Text255


class PrivilegedUser(Base):
    """A user who may send to more recipients; registered by the server's operator."""

    __tablename__ = "privileged_user"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    identifier: Mapped[Text255]
    """The operator's own name for the user."""
    agreement_version: Mapped[Text32]
    """Of the privileged users' agreement that the user accepted."""
    accepted_on: Mapped[datetime.date]
    registered_at: Mapped[datetime.datetime]
    revoked_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        Index(
            "uq_privileged_user_current",
            "server_id",
            "identifier",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_privileged_user_server", "server_id", "id"),
    )


class ServerKey(Base):
    """A public key of a server: one that signs (RFC 6376), or the pin of its TLS key."""

    __tablename__ = "server_key"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))
    purpose: Mapped[Text32]
    """'dkim' or 'tls'."""
    selector: Mapped[Text64]
    """DKIM selector; empty for a pin."""
    content: Mapped[str]
    """DKIM key record (RFC 6376 §3.6.1), or TLSA form '3 1 1 HEX'."""
    registered_at: Mapped[datetime.datetime]
    revoked_at: Mapped[datetime.datetime | None]

    __table_args__ = (
        Index(
            "uq_server_key_current",
            "server_id",
            "purpose",
            "selector",
            "content",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_server_key_server", "server_id", "id"),
    )


class Trap(Base):
    """A mailbox on a registered server, for the registrar's use only."""

    __tablename__ = "trap"

    id: Mapped[Key]
    server_id: Mapped[int] = mapped_column(ForeignKey("server.id"), index=True)
    local_part: Mapped[Text64]
    allocated_at: Mapped[datetime.datetime]
    retired_at: Mapped[datetime.datetime | None]

    __table_args__ = (UniqueConstraint("server_id", "local_part"),)
