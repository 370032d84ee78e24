"""Statements on users.db that several operations share. All run inside a transaction."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

from countersign.storage.submission.account_rows import (
    Credentials,
    Deed,
    Event,
    EventKind,
    NewUser,
    Order,
    OrderKind,
    Privilege,
    Registration,
    User,
    UserError,
)


def add_event(
    connection: sqlite3.Connection,
    user: str,
    kind: EventKind,
    deed: Deed,
    details: Mapping[str, object] | None = None,
    *,
    tell: bool = False,
) -> None:
    """Write down what was decided. tell: the administrator is to be told by mail."""
    cursor = connection.execute(
        "INSERT INTO event (user, kind, at, by, words, details) VALUES (?, ?, ?, ?, ?, ?)",
        (user, kind, deed.at, deed.by, deed.words, json.dumps(dict(details or {}), sort_keys=True)),
    )
    if tell:
        connection.execute("INSERT INTO untold (event) VALUES (?)", (cursor.lastrowid,))


def add_order(
    connection: sqlite3.Connection,
    kind: OrderKind,
    user: str,
    payload: dict[str, Any],
    *,
    queued_at: float,
    not_before: float = 0.0,
) -> int:
    """Queue what the registrar is to be told; return the order's number."""
    cursor = connection.execute(
        "INSERT INTO registrar_order (key, kind, user, payload, queued_at, next_try)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            secrets.token_hex(16),
            kind,
            user,
            json.dumps(payload),
            queued_at,
            max(queued_at, not_before),
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def ensure_user(connection: sqlite3.Connection, user: str, at: float) -> None:
    """Make a row for a user whose password is kept elsewhere, unless there is one."""
    connection.execute(
        "INSERT INTO user (name, added_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (user, at)
    )


def end_privilege(connection: sqlite3.Connection, user: str) -> None:
    """Clear a user's privilege, and the limits that he had with it: the defaults hold again."""
    connection.execute(
        "UPDATE user SET privilege = NULL, accepted_on = NULL, agreement_version = NULL,"
        " paper_sha256 = NULL, registration = NULL, number = NULL,"
        " per_message = NULL, per_day = NULL WHERE name = ?",
        (user,),
    )


def find_user(connection: sqlite3.Connection, name: str) -> User | None:
    """Return one user."""
    row = connection.execute("SELECT * FROM user WHERE name = ?", (name,)).fetchone()
    return None if row is None else user_of(row)


def user_of(row: sqlite3.Row) -> User:
    """Return the user of a row."""
    privilege = None
    if row["privilege"] is not None:
        privilege = Privilege(
            row["privilege"],
            row["accepted_on"],
            row["agreement_version"],
            Registration(row["registration"]),
            row["number"],
            row["paper_sha256"],
        )
    return User(
        name=row["name"],
        has_password=bool(row["argon2_hash"]),
        is_disabled=bool(row["is_disabled"]),
        is_administrator=bool(row["is_administrator"]),
        per_message=row["per_message"],
        per_day=row["per_day"],
        stamps_name=optional_bool(row["stamps_name"]),
        privilege=privilege,
        added_at=row["added_at"],
    )


def event_of(row: sqlite3.Row) -> Event:
    """Return the event of a row."""
    return Event(
        row["id"],
        row["user"],
        EventKind(row["kind"]),
        row["at"],
        row["by"],
        row["words"],
        json.loads(row["details"]),
    )


def order_of(row: sqlite3.Row) -> Order:
    """Return the order of a row."""
    return Order(
        id=row["id"],
        key=row["key"],
        kind=OrderKind(row["kind"]),
        user=row["user"],
        payload=json.loads(row["payload"]),
        attempts=row["attempts"],
        queued_at=row["queued_at"],
        next_try=row["next_try"],
        words=row["words"],
    )


def optional_bool(value: int | None) -> bool | None:
    """Return a column that may be NULL."""
    return None if value is None else bool(value)


def insert_user(connection: sqlite3.Connection, user: NewUser, deed: Deed) -> None:
    """Add a user. Raises :class:`UserError`."""
    if find_user(connection, user.name) is not None:
        raise UserError(f"there is a user {user.name} already")
    connection.execute(
        "INSERT INTO user (argon2_hash, scram_salt, scram_stored_key, scram_server_key,"
        " scram_iterations, name, is_disabled, is_administrator, per_message, per_day,"
        " stamps_name, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *credential_columns(user.credentials),
            user.name,
            user.is_disabled,
            user.is_administrator,
            user.per_message,
            user.per_day,
            user.stamps_name,
            deed.at,
        ),
    )
    if user.privilege is not None:
        write_privilege(connection, user.name, user.privilege)


def write_password(connection: sqlite3.Connection, user: str, credentials: Credentials) -> None:
    """Give a user another password."""
    connection.execute(
        "UPDATE user SET argon2_hash = ?, scram_salt = ?, scram_stored_key = ?,"
        " scram_server_key = ?, scram_iterations = ? WHERE name = ?",
        (*credential_columns(credentials), user),
    )


def write_privilege(connection: sqlite3.Connection, user: str, privilege: Privilege) -> None:
    """Write a user's privilege down."""
    connection.execute(
        "UPDATE user SET privilege = ?, accepted_on = ?, agreement_version = ?,"
        " paper_sha256 = ?, registration = ?, number = ? WHERE name = ?",
        (
            privilege.identifier,
            privilege.accepted_on,
            privilege.agreement_version,
            privilege.paper_sha256,
            privilege.registration,
            privilege.number,
            user,
        ),
    )


def credential_columns(credentials: Credentials | None) -> tuple[str | bytes | int | None, ...]:
    """Return the columns of a password: the hash, and four of SCRAM's."""
    if credentials is None:
        return ("", None, None, None, None)
    scram = credentials.scram
    if scram is None:
        return (credentials.argon2_hash, None, None, None, None)
    return (
        credentials.argon2_hash,
        scram.salt,
        scram.stored_key,
        scram.server_key,
        scram.iterations,
    )
