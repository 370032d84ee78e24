"""Locks of accounts in SQLite. One that was lifted stays until the administrator was told of it."""

from __future__ import annotations

import sqlite3

from countersign.rules.submission import DAY
from countersign.storage.submission.tables import Lock, LockReason

SCHEMA = (
    """CREATE TABLE locks (
        id INTEGER PRIMARY KEY, user TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL,
        used INTEGER NOT NULL, wanted INTEGER NOT NULL, day_limit INTEGER NOT NULL,
        words TEXT NOT NULL, to_be_told INTEGER NOT NULL, lifted INTEGER NOT NULL DEFAULT 0)""",
    "CREATE UNIQUE INDEX locks_user ON locks (user) WHERE lifted = 0",
    "CREATE INDEX locks_to_be_told ON locks (since) WHERE to_be_told = 1",
)
UNLOCKS = (
    "CREATE TABLE unlocks (user TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX unlocks_at ON unlocks (at)",
)
"""What the schema's second version adds."""
_KEPT = 2 * DAY
"""Seconds that an unlock is remembered: longer than any sign-in lasts."""
_PAGE = 500
_COLUMNS = "user, reason, since, used, wanted, day_limit, words"


def find(database: sqlite3.Connection, user: str) -> Lock | None:
    """Return the lock of an account."""
    return next(iter(_select(database, "user = ? AND lifted = 0", user)), None)


def add(database: sqlite3.Connection, lock: Lock) -> bool:
    """Lock an account; False if it is locked already."""
    made = database.execute(
        f"INSERT OR IGNORE INTO locks ({_COLUMNS}, to_be_told) VALUES (?,?,?,?,?,?,?,?)",  # noqa: S608
        (
            lock.user,
            lock.reason.value,
            lock.since,
            lock.used,
            lock.wanted,
            lock.limit,
            lock.words,
            lock.reason is LockReason.DAILY_LIMIT,
        ),
    )
    return made.rowcount > 0


def lift(database: sqlite3.Connection, user: str, now: float) -> bool:
    """Unlock an account, and note when; False if it was not locked."""
    active = "user = ? AND lifted = 0"
    gone = database.execute(f"DELETE FROM locks WHERE {active} AND to_be_told = 0", (user,))  # noqa: S608
    kept = database.execute(f"UPDATE locks SET lifted = 1 WHERE {active}", (user,))  # noqa: S608
    if gone.rowcount + kept.rowcount == 0:
        return False
    database.execute("INSERT OR REPLACE INTO unlocks (user, at) VALUES (?, ?)", (user, now))
    return True


def unlocked_at(database: sqlite3.Connection, user: str) -> float:
    """Return when an account was last unlocked; 0: not for a while."""
    row = database.execute("SELECT at FROM unlocks WHERE user = ?", (user,)).fetchone()
    return 0.0 if row is None else float(row[0])


def sweep(database: sqlite3.Connection, now: float) -> int:
    """Forget some old unlocks; return how many; 0: no more."""
    gone = database.execute(
        "DELETE FROM unlocks WHERE user IN (SELECT user FROM unlocks WHERE at <= ? LIMIT ?)",
        (now - _KEPT, _PAGE),
    )
    return gone.rowcount


def tell(database: sqlite3.Connection, lock: Lock) -> None:
    """Note that the administrator was told."""
    which = (lock.user, lock.since)
    database.execute("DELETE FROM locks WHERE user = ? AND since = ? AND lifted = 1", which)
    database.execute("UPDATE locks SET to_be_told = 0 WHERE user = ? AND since = ?", which)


def active(database: sqlite3.Connection) -> list[Lock]:
    """Return the locks in force, the newest first."""
    return _select(database, "lifted = 0 ORDER BY since DESC, id DESC")


def untold(database: sqlite3.Connection) -> list[Lock]:
    """Return the locks to be told, the oldest first, lifted or not."""
    return _select(database, "to_be_told = 1 ORDER BY since, id")


def _select(database: sqlite3.Connection, condition: str, *values: str) -> list[Lock]:
    rows = database.execute(f"SELECT {_COLUMNS} FROM locks WHERE {condition}", values)  # noqa: S608
    return [Lock(user, LockReason(reason), *others) for user, reason, *others in rows]
