"""Users, as submission knows them: passwords, limits, privileges, and the record of decisions.

One SQLite file, users.db, that all processes of a host share: what `countersign users` changes
is in force with the next transaction. Every method may raise
:class:`~countersign.storage.tables.TablesUnavailableError`. Names are normalised by the caller
(:func:`countersign.rules.submission.normalise_user`). What is decided is written to the record
of events in the same transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from countersign.storage.submission.account_reading import AccountsReader
from countersign.storage.submission.account_replacing import (
    Replaced,
    Replacement,
    replace_users,
)
from countersign.storage.submission.account_rows import (
    Credentials,
    Deed,
    Event,
    EventKind,
    NewUser,
    Privilege,
    ScramValues,
    User,
    UserError,
)
from countersign.storage.submission.account_writing import (
    add_event,
    credential_columns,
    ensure_user,
    find_user,
    insert_user,
    write_password,
    write_privilege,
)
from countersign.storage.submission.orders import (
    Orders,
    cancel_questions,
    queue_registration,
    queue_revocation,
)

__all__ = ["Accounts", "Credentials", "NewUser", "ScramValues", "UserError"]


class Accounts(AccountsReader):
    """The users of one gateway. One for a process."""

    def __init__(self, directory: Path) -> None:
        """directory: the state directory's `submission`."""
        super().__init__(directory)
        self.orders = Orders(self._database)
        """What waits for the registrar."""

    async def told(self, event: Event) -> None:
        """Note that the administrator was told of an event."""
        await self._database.change(
            lambda connection: connection.execute("DELETE FROM untold WHERE event = ?", (event.id,))
        )

    async def add(
        self, users: Sequence[NewUser], deed: Deed, kind: EventKind = EventKind.ADDED
    ) -> None:
        """Add users: all of them, or :class:`UserError` and none."""

        def work(connection: sqlite3.Connection) -> None:
            for user in users:
                insert_user(connection, user, deed)
                add_event(connection, user.name, kind, deed)

        await self._database.change(work)

    async def replace(self, users: Sequence[Replacement], deed: Deed) -> Replaced:
        """Add users, or change those who are there to what a list says: all of them, or none."""
        return await self._database.change(
            lambda connection: replace_users(connection, users, deed)
        )

    async def record(
        self,
        user: str,
        kind: EventKind,
        deed: Deed,
        details: Mapping[str, object] | None = None,
        *,
        tell: bool = False,
    ) -> None:
        """Write down a decision that changes nothing else here, such as a lock."""
        await self._database.change(
            lambda connection: add_event(connection, user, kind, deed, details, tell=tell)
        )

    async def set_password(self, user: str, credentials: Credentials, deed: Deed) -> None:
        """Give a user another password. Raises :class:`UserError`."""

        def work(connection: sqlite3.Connection) -> None:
            _must_exist(connection, user)
            write_password(connection, user, credentials)
            add_event(connection, user, EventKind.PASSWORD, deed)

        await self._database.change(work)

    async def renew(self, user: str, old_hash: str, credentials: Credentials) -> bool:
        """Keep the same password in a newer form; False: it was changed meanwhile."""

        def work(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "UPDATE user SET argon2_hash = ?, scram_salt = ?, scram_stored_key = ?,"
                " scram_server_key = ?, scram_iterations = ? WHERE name = ? AND argon2_hash = ?",
                (*credential_columns(credentials), user, old_hash),
            )
            return cursor.rowcount > 0

        return await self._database.change(work)

    async def set_limits(
        self, user: str, per_message: int | None, per_day: int | None, deed: Deed
    ) -> None:
        """Give a user limits of his own; None: the default (a privileged user: no limit)."""
        await self._set(
            user,
            {"per_message": per_message, "per_day": per_day},
            EventKind.LIMITS,
            deed,
        )

    async def set_stamping(self, user: str, stamps_name: bool | None, deed: Deed) -> None:
        """Say whether a user's name is stamped; None: as the configuration says."""
        await self._set(user, {"stamps_name": stamps_name}, EventKind.STAMPING, deed)

    async def set_disabled(self, user: str, is_disabled: bool, deed: Deed) -> None:
        """Say whether a user may sign in."""
        kind = EventKind.DISABLED if is_disabled else EventKind.ENABLED
        await self._set(user, {"is_disabled": is_disabled}, kind, deed)

    async def set_administrator(self, user: str, is_administrator: bool, deed: Deed) -> None:
        """Say whether a user may see the administrator's page."""
        values = {"is_administrator": is_administrator}
        await self._set(user, values, EventKind.ADMINISTRATOR, deed)

    async def grant(self, user: str, privilege: Privilege, deed: Deed) -> None:
        """Grant the privilege. It is in force at once; the registrar is told by an order.

        Raises :class:`UserError` if the user has it already.
        """

        def work(connection: sqlite3.Connection) -> None:
            ensure_user(connection, user, deed.at)
            found = find_user(connection, user)
            if found is not None and found.privilege is not None:
                raise UserError(f"{user} is privileged already")
            write_privilege(connection, user, privilege)
            add_event(
                connection,
                user,
                EventKind.PRIVILEGED,
                deed,
                {
                    "accepted_on": privilege.accepted_on,
                    "agreement_version": privilege.agreement_version,
                    "paper_sha256": privilege.paper_sha256,
                    "identifier": privilege.identifier,
                },
            )
            queue_registration(connection, user, privilege, deed.at)

        await self._database.change(work)

    async def revoke(self, user: str, deed: Deed) -> None:
        """End the privilege at once; the registrar is told. Raises :class:`UserError`."""

        def work(connection: sqlite3.Connection) -> None:
            found = find_user(connection, user)
            if found is None or found.privilege is None:
                raise UserError(f"{user} is not privileged")
            queue_revocation(connection, user, found.privilege, deed)

        await self._database.change(work)

    async def remove(self, user: str, deed: Deed) -> None:
        """Remove a user; the record of what was decided stays. Raises :class:`UserError`."""

        def work(connection: sqlite3.Connection) -> None:
            found = _must_exist(connection, user)
            if found.privilege is not None:
                queue_revocation(connection, user, found.privilege, deed)
            cancel_questions(connection, user, deed.at)
            connection.execute("DELETE FROM user WHERE name = ?", (user,))
            add_event(connection, user, EventKind.REMOVED, deed)

        await self._database.change(work)

    async def aclose(self) -> None:
        """Close the file."""
        await self._database.aclose()

    async def _set(
        self, user: str, values: Mapping[str, int | None], kind: EventKind, deed: Deed
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            ensure_user(connection, user, deed.at)
            names = ", ".join(f"{name} = ?" for name in values)
            connection.execute(
                f"UPDATE user SET {names} WHERE name = ?",  # noqa: S608 - names from code only
                (*values.values(), user),
            )
            add_event(connection, user, kind, deed, values)

        await self._database.change(work)


def _must_exist(connection: sqlite3.Connection, user: str) -> User:
    found = find_user(connection, user)
    if found is None:
        raise UserError(f"there is no user {user}")
    return found
