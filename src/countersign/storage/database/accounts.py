"""Accounts of people and programs, and how they sign in (DESIGN §6)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from countersign.rules.roles import Role
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


class Account(Base):
    """A person, or an organisation that acts as one."""

    __tablename__ = "account"

    id: Mapped[Key]
    email: Mapped[Text255] = mapped_column(unique=True)
    """In lower case."""
    name: Mapped[Text255]
    password_hash: Mapped[Text255]
    """Argon2id; empty: no password yet."""
    created_at: Mapped[datetime.datetime]
    email_confirmed_at: Mapped[datetime.datetime | None]
    disabled_at: Mapped[datetime.datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    """Failed sign-ins since the last good one."""
    locked_until: Mapped[datetime.datetime | None]
    totp_sealed: Mapped[bytes | None]
    totp_confirmed_at: Mapped[datetime.datetime | None]
    totp_last_step: Mapped[int] = mapped_column(default=0)
    """Time step of the last code taken: a code counts once (RFC 6238 §5.2)."""
    roles: Mapped[list[AccountRole]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", foreign_keys="AccountRole.account_id"
    )
    passkeys: Mapped[list[Passkey]] = relationship(cascade="all, delete-orphan")

    def has(self, role: Role) -> bool:
        """Tell whether the account has a role; everybody is an owner."""
        return role is Role.OWNER or any(one.role is role for one in self.roles)


class AccountRole(Base):
    """A role that an account was granted."""

    __tablename__ = "account_role"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(enum_column(Role), primary_key=True)
    granted_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    granted_at: Mapped[datetime.datetime]


class Passkey(Base):
    """A WebAuthn credential."""

    __tablename__ = "passkey"

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    name: Mapped[Text64]
    created_at: Mapped[datetime.datetime]
    last_used_at: Mapped[datetime.datetime | None]


class RecoveryCode(Base):
    """A code that stands in once for a lost second factor."""

    __tablename__ = "recovery_code"

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    digest: Mapped[Digest]
    used_at: Mapped[datetime.datetime | None]


class WebSession(Base):
    """A browser's session, known by the digest of its cookie."""

    __tablename__ = "web_session"

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    """None: nobody has signed in yet, or only by the first of two factors."""
    created_at: Mapped[datetime.datetime]
    last_seen_at: Mapped[datetime.datetime]
    data: Mapped[dict[str, Any]]
    """The second factor given, when identity was last proved, the device, challenges that wait."""

    __table_args__ = (Index("ix_web_session_last_seen_at", "last_seen_at"),)


class OneTimeToken(Base):
    """A secret that was mailed to somebody, known by its digest."""

    __tablename__ = "one_time_token"

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    purpose: Mapped[Text32]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)
    subject: Mapped[Text255]
    """What it is for, e.g. the key of a contact confirmation."""
    created_at: Mapped[datetime.datetime]
    expires_at: Mapped[datetime.datetime]
    used_at: Mapped[datetime.datetime | None]


class ApiToken(Base):
    """A program's key to the API, known by its digest."""

    __tablename__ = "api_token"

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"), index=True)
    """Set: the token is good for this server only (a gateway's)."""
    name: Mapped[Text64]
    digest: Mapped[Digest] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime.datetime]
    expires_at: Mapped[datetime.datetime]
    last_used_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]


class IdempotentAnswer(Base):
    """The answer given to a request with an idempotency key, to be given again."""

    __tablename__ = "idempotent_answer"

    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id"), primary_key=True)
    key: Mapped[Text255] = mapped_column(primary_key=True)
    request_digest: Mapped[Digest]
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    created_at: Mapped[datetime.datetime] = mapped_column(index=True)


class AccreditationState(StrEnum):
    """Where a request to become an agent stands."""

    ASKED = "asked"
    ACCREDITED = "accredited"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Accreditation(Base):
    """A request to act as an agent, and what staff decided."""

    __tablename__ = "accreditation"

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    organisation: Mapped[Text255]
    statement: Mapped[Text1000]
    state: Mapped[AccreditationState] = mapped_column(enum_column(AccreditationState), index=True)
    asked_at: Mapped[datetime.datetime]
    decided_at: Mapped[datetime.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[Text1000] = mapped_column(default="")


class AccessRecord(Base):
    """Who looked at, or changed, what is not public. Append-only."""

    __tablename__ = "access_record"

    id: Mapped[Key]
    at: Mapped[datetime.datetime] = mapped_column(index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    what: Mapped[Text64]
    """E.g. 'document seen', 'particulars seen', 'role granted', 'signed in'."""
    subject: Mapped[Text64]
    """E.g. 'document:17', 'server:4': never a name."""
    server_id: Mapped[int | None] = mapped_column(ForeignKey("server.id"), index=True)
    details: Mapped[dict[str, Any]]

    __table_args__ = (
        Index("ix_access_record_account", "account_id", "id"),
        Index("ix_access_record_subject", "subject", "id"),
    )
