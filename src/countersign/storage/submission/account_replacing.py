"""A list takes the place of what is stored of users: hosts of a farm are brought to the same.

All runs inside a transaction of users.db.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from countersign.storage.submission.account_rows import (
    Deed,
    EventKind,
    NewUser,
    Privilege,
    User,
)
from countersign.storage.submission.account_writing import (
    add_event,
    end_privilege,
    find_user,
    insert_user,
    write_password,
    write_privilege,
)
from countersign.storage.submission.orders import queue_revocation

PASSWORD: Final = "password"  # noqa: S105 - the name of a field
PRIVILEGE: Final = "privilege"
_PLAIN_FIELDS: Final = ("per_message", "per_day", "stamps_name", "is_administrator", "is_disabled")


@dataclass(frozen=True, slots=True)
class Replacement:
    """A user as a list has it."""

    user: NewUser
    says: frozenset[str]
    """Fields of `NewUser`, and 'password', that hold; what is left out stays."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a list has done."""

    added: int
    changed: int


def replace_users(
    connection: sqlite3.Connection, users: Sequence[Replacement], deed: Deed
) -> Replaced:
    """Add users, or change those who are there; each with an entry in the record."""
    added = changed = 0
    for one in users:
        held = find_user(connection, one.user.name)
        if held is None:
            insert_user(connection, one.user, deed)
            add_event(connection, one.user.name, EventKind.IMPORTED, deed)
            added += 1
            continue
        fields = _replace(connection, held, one, deed)
        if fields:
            details = {"changed": ", ".join(fields)}
            add_event(connection, held.name, EventKind.IMPORTED, deed, details)
            changed += 1
    return Replaced(added, changed)


def _replace(connection: sqlite3.Connection, held: User, one: Replacement, deed: Deed) -> list[str]:
    """Change a user; return the names of what was changed."""
    fields = []
    new = one.user.privilege
    if PRIVILEGE in one.says and new != held.privilege:
        _replace_privilege(connection, held, new, deed)
        fields.append(PRIVILEGE)
        # With a privilege its limits end.
        held = find_user(connection, held.name) or held
    if _replace_password(connection, one):
        fields.append(PASSWORD)
    wanted: dict[str, int | None] = {name: getattr(one.user, name) for name in _PLAIN_FIELDS}
    values = {
        name: value
        for name, value in wanted.items()
        if name in one.says and value != getattr(held, name)
    }
    for name, value in values.items():
        connection.execute(
            f"UPDATE user SET {name} = ? WHERE name = ?",  # noqa: S608 - names from code only
            (value, held.name),
        )
    return fields + list(values)


def _replace_password(connection: sqlite3.Connection, one: Replacement) -> bool:
    credentials = one.user.credentials
    if credentials is None or PASSWORD not in one.says:
        return False
    row = connection.execute(
        "SELECT argon2_hash FROM user WHERE name = ?", (one.user.name,)
    ).fetchone()
    if row[0] == credentials.argon2_hash:
        return False
    write_password(connection, one.user.name, credentials)
    return True


def _replace_privilege(
    connection: sqlite3.Connection, held: User, new: Privilege | None, deed: Deed
) -> None:
    old = held.privilege
    if old is not None and (new is None or new.identifier != old.identifier):
        _end(connection, held.name, old, deed)
    if new is not None:
        write_privilege(connection, held.name, new)


def _end(connection: sqlite3.Connection, user: str, privilege: Privilege, deed: Deed) -> None:
    """End a privilege. The registrar is told by the host that has told it of the privilege."""
    is_ours = connection.execute(
        "SELECT 1 FROM event WHERE user = ? AND kind = ?"
        " AND json_extract(details, '$.identifier') = ?",
        (user, EventKind.PRIVILEGED, privilege.identifier),
    ).fetchone()
    if is_ours:
        queue_revocation(connection, user, privilege, deed)
        return
    end_privilege(connection, user)
    add_event(connection, user, EventKind.REVOKED, deed, {"identifier": privilege.identifier})
