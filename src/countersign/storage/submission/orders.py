"""What waits for the registrar: an outbox in users.db (DESIGN §5).

An order is written in the transaction that decides it, and ends in the transaction that notes
its outcome. Orders about one user are done one after the other,
but for questions. Whoever takes an order holds it
for a while; if he dies, it comes again with the same key, by which the registrar does it once.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from countersign.storage.submission.account_database import UserDatabase
from countersign.storage.submission.account_rows import (
    Deed,
    EventKind,
    Order,
    OrderKind,
    Privilege,
    Registration,
)
from countersign.storage.submission.account_writing import (
    add_event,
    add_order,
    end_privilege,
    find_user,
    order_of,
)

REGISTRAR = "registrar"
"""Who is named in the record for what the registrar said."""
_FIRST_OF_USER = (
    "NOT EXISTS (SELECT 1 FROM registrar_order AS earlier WHERE earlier.state = 'waiting'"
    " AND earlier.user = registrar_order.user AND earlier.id < registrar_order.id"
    " AND earlier.kind <> 'offender-query' AND registrar_order.kind <> 'offender-query')"
)


class Orders:
    """The outbox."""

    def __init__(self, database: UserDatabase) -> None:
        """Share the users' file."""
        self._database = database

    async def waiting(self, limit: int = 1000) -> Sequence[Order]:
        """Return the orders that wait, the oldest first."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM registrar_order WHERE state = 'waiting' ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return [order_of(row) for row in rows]

    async def next_due(self) -> float | None:
        """Return when an order is to be tried next; None: nothing waits."""
        row = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT min(next_try) FROM registrar_order"  # noqa: S608 - from code only
                f" WHERE state = 'waiting' AND {_FIRST_OF_USER}"
            ).fetchone()
        )
        due: float | None = row[0]
        return due

    async def take(self, now: float, hold: float) -> Order | None:
        """Take an order that is due, for ``hold`` seconds; None: there is none."""

        def work(connection: sqlite3.Connection) -> Order | None:
            row = connection.execute(
                f"SELECT * FROM registrar_order WHERE state = 'waiting'"  # noqa: S608 - as above
                f" AND next_try <= ? AND {_FIRST_OF_USER} ORDER BY next_try, id LIMIT 1",
                (now,),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE registrar_order SET attempts = attempts + 1, next_try = ? WHERE id = ?",
                (now + hold, row["id"]),
            )
            return order_of(row)

        return await self._database.change(work)

    async def ask(self, user: str, question: dict[str, Any], deed: Deed) -> int:
        """Queue a question about an offender; return its number."""

        def work(connection: sqlite3.Connection) -> int:
            add_event(connection, user, EventKind.OFFENDER_ASKED, deed)
            return add_order(connection, OrderKind.OFFENDER, user, question, queued_at=deed.at)

        return await self._database.change(work)

    async def put_off(self, order: Order, until: float, words: str) -> None:
        """Try an order again later; words: why."""
        await self._database.change(
            lambda connection: connection.execute(
                "UPDATE registrar_order SET next_try = ?, words = ?"
                " WHERE id = ? AND state = 'waiting'",
                (until, words, order.id),
            )
        )

    async def registered(self, order: Order, number: int, now: float) -> None:
        """Note that the registrar knows of a privilege, under a number of its own."""

        def work(connection: sqlite3.Connection) -> None:
            if not _end(connection, order, "done", now):
                return
            connection.execute(
                "UPDATE user SET registration = ?, number = ? WHERE name = ? AND privilege = ?",
                (Registration.REGISTERED, number, order.user, order.payload["identifier"]),
            )
            deed = Deed(REGISTRAR, now)
            add_event(connection, order.user, EventKind.REGISTERED, deed, {"number": number})

        await self._database.change(work)

    async def revoked(self, order: Order, now: float) -> None:
        """Note that the registrar knows of the end of a privilege."""
        await self._database.change(lambda connection: _end(connection, order, "done", now))

    async def answered(
        self, order: Order, level: str | None, month: str | None, now: float
    ) -> None:
        """Note the answer about an offender, have it told, and forget the question."""

        def work(connection: sqlite3.Connection) -> None:
            if _end(connection, order, "done", now):
                deed = Deed(REGISTRAR, now)
                kind = EventKind.OFFENDER_ANSWERED
                found = {"level": level, "month": month}
                add_event(connection, order.user, kind, deed, found, tell=True)

        await self._database.change(work)
        await self._database.wipe()

    async def refused(self, order: Order, words: str, now: float) -> None:
        """Note that the registrar refuses an order for good; a privilege ends with it."""

        def work(connection: sqlite3.Connection) -> None:
            if not _end(connection, order, "refused", now, words):
                return
            deed = Deed(REGISTRAR, now, words)
            ends = False
            if order.kind is OrderKind.REGISTER:
                found = find_user(connection, order.user)
                held = found.privilege if found is not None else None
                ends = held is not None and held.identifier == order.payload["identifier"]
            if ends:
                end_privilege(connection, order.user)
            add_event(
                connection,
                order.user,
                EventKind.REFUSED,
                deed,
                {"order": order.kind, "privilege_ended": ends},
                tell=True,
            )

        await self._database.change(work)
        if order.kind is OrderKind.OFFENDER:
            await self._database.wipe()


def queue_registration(
    connection: sqlite3.Connection, user: str, privilege: Privilege, at: float
) -> None:
    """Queue the registration of a privilege; inside the transaction that grants it."""
    payload = {
        "identifier": privilege.identifier,
        "accepted_on": privilege.accepted_on,
        "agreement_version": privilege.agreement_version,
    }
    # The registrar's day is UTC's: what was signed today in Sydney is of tomorrow there.
    day = datetime.date.fromisoformat(privilege.accepted_on)
    begins = datetime.datetime.combine(day, datetime.time(), datetime.UTC).timestamp()
    add_order(connection, OrderKind.REGISTER, user, payload, queued_at=at, not_before=begins)


def queue_revocation(
    connection: sqlite3.Connection, user: str, privilege: Privilege, deed: Deed
) -> None:
    """End a privilege and queue what the registrar is to be told of it, if it may know of it."""
    end_privilege(connection, user)
    add_event(connection, user, EventKind.REVOKED, deed, {"identifier": privilege.identifier})
    never_sent = connection.execute(
        "UPDATE registrar_order SET state = 'cancelled', ended_at = ?, payload = '{}'"
        " WHERE kind = ? AND user = ? AND state = 'waiting' AND attempts = 0"
        " AND json_extract(payload, '$.identifier') = ?",
        (deed.at, OrderKind.REGISTER, user, privilege.identifier),
    ).rowcount
    if not never_sent:
        payload = {"identifier": privilege.identifier, "number": privilege.number}
        add_order(connection, OrderKind.REVOKE, user, payload, queued_at=deed.at)


def cancel_questions(connection: sqlite3.Connection, user: str, at: float) -> None:
    """Forget what was to be asked about a user who is removed."""
    connection.execute(
        "UPDATE registrar_order SET state = 'cancelled', ended_at = ?, payload = '{}'"
        " WHERE kind = ? AND user = ? AND state = 'waiting'",
        (at, OrderKind.OFFENDER, user),
    )


def _end(
    connection: sqlite3.Connection, order: Order, state: str, now: float, words: str = ""
) -> bool:
    """End an order, once; what was personal in a question is deleted."""
    payload = {} if order.kind is OrderKind.OFFENDER else order.payload
    changed = connection.execute(
        "UPDATE registrar_order SET state = ?, ended_at = ?, words = ?, payload = ?"
        " WHERE id = ? AND state = 'waiting'",
        (state, now, words, json.dumps(payload), order.id),
    )
    return changed.rowcount == 1
