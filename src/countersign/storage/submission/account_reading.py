"""What is asked of the users' file: by each transaction, and by people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from countersign.rules.submission import Account
from countersign.storage.submission.account_database import UserDatabase
from countersign.storage.submission.account_rows import (
    Credentials,
    Event,
    EventKind,
    ScramValues,
    User,
)
from countersign.storage.submission.account_writing import (
    event_of,
    find_user,
    optional_bool,
    user_of,
)

_ENDING = (
    EventKind.PASSWORD,
    EventKind.DISABLED,
    EventKind.REMOVED,
    # May bring another password.
    EventKind.IMPORTED,
)
"""What ends a user's sign-ins."""
_FACTS = f"""
SELECT
  (SELECT coalesce(max(id), 0) FROM event
    WHERE user = ?1 AND kind IN ({", ".join(f"'{kind.value}'" for kind in _ENDING)})),
  privilege, per_message, per_day, stamps_name, is_disabled
FROM (SELECT 1) LEFT JOIN user ON name = ?1
"""  # noqa: S608 - values from code only


class AccountsReader:
    """The part of Accounts that changes nothing."""

    def __init__(self, directory: Path) -> None:
        """directory: the state directory's `submission`."""
        self._database = UserDatabase(directory)

    # -- what each transaction asks ------------------------------------------------------------

    async def facts(self, user: str) -> Account:
        """Return what the rules know of a user; the defaults if nothing is stored."""
        row = self._database.read_now(_FACTS, (user,))
        if row is None:
            raise AssertionError("a row that is always there")
        ended_by, privilege, per_message, per_day, stamps_name, is_disabled = row
        return Account(
            user,
            is_privileged=privilege is not None,
            per_message=per_message,
            per_day=per_day,
            stamps_name=optional_bool(stamps_name),
            is_disabled=bool(is_disabled),
            ended_by=ended_by,
        )

    async def newest_event(self) -> int:
        """Return the number of the newest entry in the record; 0: there is none."""
        row = self._database.read_now("SELECT coalesce(max(id), 0) FROM event", ())
        return 0 if row is None else int(row[0])

    async def exists(self, user: str) -> bool:
        """Tell whether anything is stored of a user."""
        row = self._database.read_now("SELECT 1 FROM user WHERE name = ?", (user,))
        return row is not None

    async def credentials(self, user: str) -> Credentials | None:
        """Return what a user's password is checked by; None: no such user, or no password here."""
        row = self._database.read_now(
            "SELECT argon2_hash, scram_salt, scram_stored_key, scram_server_key,"
            " scram_iterations, is_disabled FROM user WHERE name = ?",
            (user,),
        )
        if row is None or not row[0]:
            return None
        scram = None if row[1] is None else ScramValues(row[1], row[2], row[3], row[4])
        return Credentials(row[0], scram, bool(row[5]))

    # -- what people ask -----------------------------------------------------------------------

    async def find(self, user: str) -> User | None:
        """Return what is stored of a user."""
        return await self._database.read(lambda connection: find_user(connection, user))

    async def list(self, after: str = "", limit: int = 1000) -> list[User]:
        """Return users in the order of their names, from the one after ``after``."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM user WHERE name > ? ORDER BY name LIMIT ?", (after, limit)
            ).fetchall()
        )
        return [user_of(row) for row in rows]

    async def privileged(self, limit: int = 1000) -> Sequence[User]:
        """Return the privileged users, in the order of their names."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM user WHERE privilege IS NOT NULL ORDER BY name LIMIT ?", (limit,)
            ).fetchall()
        )
        return [user_of(row) for row in rows]

    async def events(self, user: str, limit: int = 100) -> Sequence[Event]:
        """Return what was decided about a user, the newest first."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM event WHERE user = ? ORDER BY id DESC LIMIT ?", (user, limit)
            ).fetchall()
        )
        return [event_of(row) for row in rows]

    async def untold(self, limit: int = 100) -> Sequence[Event]:
        """Return events that the administrator is to be told of by mail, the oldest first."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT event.* FROM untold JOIN event ON event.id = untold.event"
                " ORDER BY event.id LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return [event_of(row) for row in rows]
