"""The counts of recipients in SQLite: exact over a window that slides, at a constant price.

Each sender has running totals of the reservations younger than a boundary, the beginning of the
window when it was last looked at. To look again, only the reservations between the old boundary
and the new one are read: they leave the totals, or come back if the clock has gone back. A
reservation is never dated before the sender's last one, and rows stay a day longer than they
count: so a clock that goes back, and is put right again, makes nobody's count smaller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from countersign.rules.submission import DAY
from countersign.storage.submission.tables import Usage

SCHEMA = (
    """CREATE TABLE senders (
        id INTEGER PRIMARY KEY, user TEXT NOT NULL UNIQUE, recipients INTEGER NOT NULL,
        messages INTEGER NOT NULL, boundary REAL NOT NULL, last REAL NOT NULL)""",
    "CREATE INDEX senders_recipients ON senders (recipients)",
    "CREATE INDEX senders_last ON senders (last)",
    """CREATE TABLE reservations (
        id INTEGER PRIMARY KEY AUTOINCREMENT, sender INTEGER NOT NULL, at REAL NOT NULL,
        recipients INTEGER NOT NULL)""",
    "CREATE INDEX reservations_sender ON reservations (sender, at, recipients)",
)

KEPT = 2 * DAY
"""Seconds that a reservation is kept: it counts for one day."""
_PAGE = 100


@dataclass(slots=True)
class Totals:
    """What a sender has in the window."""

    id: int
    user: str
    recipients: int
    messages: int
    boundary: float
    last: float

    def moved(self, database: sqlite3.Connection, now: float) -> Totals:
        """Return the totals for the window that ends at ``now``. Writes nothing."""
        boundary = now - DAY
        low, high = sorted((boundary, self.boundary))
        recipients, messages = database.execute(
            "SELECT coalesce(sum(recipients), 0), count(*) FROM reservations"
            " WHERE sender = ? AND at > ? AND at <= ?",
            (self.id, low, high),
        ).fetchone()
        sign = -1 if boundary > self.boundary else 1
        return Totals(
            self.id,
            self.user,
            self.recipients + sign * recipients,
            self.messages + sign * messages,
            boundary,
            self.last,
        )

    def store(self, database: sqlite3.Connection) -> None:
        """Write the totals."""
        database.execute(
            "UPDATE senders SET recipients = ?, messages = ?, boundary = ?, last = ? WHERE id = ?",
            (self.recipients, self.messages, self.boundary, self.last, self.id),
        )


def totals_of(database: sqlite3.Connection, user: str, now: float) -> Totals | None:
    """Return a sender's totals at ``now``; None: it has sent nothing."""
    row = database.execute(
        "SELECT id, user, recipients, messages, boundary, last FROM senders WHERE user = ?",
        (user,),
    ).fetchone()
    return None if row is None else Totals(*row).moved(database, now)


def used(database: sqlite3.Connection, user: str, now: float) -> int:
    """Return a sender's recipients at ``now``."""
    totals = totals_of(database, user, now)
    return 0 if totals is None else totals.recipients


def make_totals(database: sqlite3.Connection, user: str, now: float) -> Totals:
    """Return the totals of a sender that has sent nothing so far."""
    made = database.execute(
        "INSERT INTO senders (user, recipients, messages, boundary, last) VALUES (?, 0, 0, ?, ?)",
        (user, now - DAY, now),
    )
    return Totals(int(made.lastrowid or 0), user, 0, 0, now - DAY, now)


def add(database: sqlite3.Connection, totals: Totals, recipients: int, now: float) -> str:
    """Count a message; return its reservation. The totals are those at ``now``."""
    totals.last = max(totals.last, now)
    totals.recipients += recipients
    totals.messages += 1
    totals.store(database)
    database.execute(
        "DELETE FROM reservations WHERE sender = ? AND at <= ?", (totals.id, now - KEPT)
    )
    made = database.execute(
        "INSERT INTO reservations (sender, at, recipients) VALUES (?, ?, ?)",
        (totals.id, totals.last, recipients),
    )
    return str(made.lastrowid)


def take_back(database: sqlite3.Connection, reservation: str) -> None:
    """Count a message no more."""
    # A number that SQLite cannot hold is no reservation.
    if not (reservation.isascii() and reservation.isdigit() and len(reservation) <= 18):
        return
    gone = database.execute(
        "DELETE FROM reservations WHERE id = ? RETURNING sender, at, recipients",
        (int(reservation),),
    ).fetchone()
    if gone is not None:
        sender, at, recipients = gone
        database.execute(
            "UPDATE senders SET recipients = recipients - ?, messages = messages - 1"
            " WHERE id = ? AND boundary < ?",
            (recipients, sender, at),
        )


def forget(database: sqlite3.Connection, user: str) -> None:
    """Forget all that a sender has sent."""
    database.execute(
        "DELETE FROM reservations WHERE sender IN (SELECT id FROM senders WHERE user = ?)", (user,)
    )
    database.execute("DELETE FROM senders WHERE user = ?", (user,))


def hours(database: sqlite3.Connection, user: str, now: float) -> tuple[int, ...]:
    """Return the recipients of each of 24 hours, the oldest first."""
    found = [0] * 24
    for age, recipients in database.execute(
        "SELECT CAST(max(0, min(23, (?1 - at) / 3600)) AS INTEGER) AS age, sum(recipients)"
        " FROM reservations WHERE sender = (SELECT id FROM senders WHERE user = ?2) AND at > ?3"
        " GROUP BY age",
        (now, user, now - DAY),
    ):
        found[23 - age] = recipients
    return tuple(found)


def top(database: sqlite3.Connection, now: float, limit: int) -> list[Usage]:
    """Return those who have sent to the most.

    Totals that were not looked at for a while are too large at most: those who come after them
    in their order cannot have more.
    """
    best: list[Usage] = []
    for totals in _by_totals(database):
        if len(best) >= limit and totals.recipients <= best[limit - 1].recipients:
            break
        exact = totals.moved(database, now)
        if exact.messages > 0:
            best.append(Usage(exact.user, exact.recipients, exact.messages))
            best.sort(key=lambda usage: (-usage.recipients, usage.user))
            del best[limit:]
    return best


def sweep(database: sqlite3.Connection, now: float) -> int:
    """Delete some senders that have sent nothing for long; return how many rows; 0: no more."""
    gone = database.execute(
        "SELECT id FROM senders WHERE last <= ? LIMIT ?", (now - KEPT, _PAGE)
    ).fetchall()
    swept = len(gone)
    for (sender,) in gone:
        swept += database.execute("DELETE FROM reservations WHERE sender = ?", (sender,)).rowcount
        database.execute("DELETE FROM senders WHERE id = ?", (sender,))
    return swept


def _by_totals(database: sqlite3.Connection) -> Iterator[Totals]:
    for row in database.execute(
        "SELECT id, user, recipients, messages, boundary, last FROM senders"
        " WHERE recipients > 0 ORDER BY recipients DESC"
    ):
        yield Totals(*row)
