"""Failed sign-ins and known networks in SQLite, in a bounded number of rows."""

from __future__ import annotations

import sqlite3

from countersign.rules.submission import DAY
from countersign.storage.submission.tables import UNCOUNTED_REASONS, Failures, SignInFailure

MAX_FAILURES = 10_000
FAILURES_KEPT = 31 * DAY
MAX_SHARE = 100
"""A network with more than this part of all failures loses its own when there are too many."""
KNOWN_SECONDS = 90 * DAY
MAX_KNOWN = 1_000
"""Networks of one account: the newest are kept."""
MAX_NAME = 255
REFRESH_SECONDS = 3600.0
"""A known network is dated anew after so long, not at each sign-in."""

SCHEMA = (
    """CREATE TABLE failures (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, user TEXT NOT NULL, network TEXT NOT NULL,
        reason TEXT NOT NULL, is_counted INTEGER NOT NULL)""",
    "CREATE INDEX failures_network ON failures (network, is_counted, at)",
    "CREATE INDEX failures_user ON failures (user, at) WHERE is_counted = 1",
    "CREATE INDEX failures_there ON failures (user, network, at) WHERE is_counted = 1",
    "CREATE INDEX failures_at ON failures (at)",
    "CREATE INDEX failures_uncounted ON failures (at) WHERE is_counted = 0",
    "CREATE TABLE failing (network TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX failing_rows ON failing (rows)",
    "CREATE TABLE failure_count (rows INTEGER NOT NULL)",
    "INSERT INTO failure_count VALUES (0)",
    """CREATE TRIGGER failure_added AFTER INSERT ON failures BEGIN
        UPDATE failure_count SET rows = rows + 1;
        INSERT INTO failing VALUES (new.network, 1)
            ON CONFLICT (network) DO UPDATE SET rows = rows + 1;
        END""",
    """CREATE TRIGGER failure_deleted AFTER DELETE ON failures BEGIN
        UPDATE failure_count SET rows = rows - 1;
        UPDATE failing SET rows = rows - 1 WHERE network = old.network;
        DELETE FROM failing WHERE network = old.network AND rows <= 0;
        END""",
    """CREATE TABLE known (
        user TEXT NOT NULL, network TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (user, network)) WITHOUT ROWID""",
    "CREATE INDEX known_user ON known (user, at)",
    "CREATE INDEX known_at ON known (at)",
)


def cut_name(name: str) -> str:
    """Return what is kept of a name that a client gave: it may be anything."""
    return name[:MAX_NAME].encode(errors="replace").decode()


def is_counted(failure: SignInFailure) -> bool:
    """Tell whether a failure was a guess at a password."""
    return failure.reason not in UNCOUNTED_REASONS


def add_failure(database: sqlite3.Connection, failure: SignInFailure) -> None:
    """Note a failure. When there are too many, one is forgotten.

    One of the network that has most, if that has more than its share: its oldest that is not
    counted, or else its oldest. So nobody can have others' failures forgotten by failing often. If
    none has: the oldest of all that is not counted, or else the oldest. So what a month of guesses
    from everywhere has left does not drive out what is counted now.
    """
    database.execute(
        "INSERT INTO failures (at, user, network, reason, is_counted) VALUES (?, ?, ?, ?, ?)",
        (
            failure.at,
            cut_name(failure.user),
            failure.network,
            failure.reason,
            is_counted(failure),
        ),
    )
    (count,) = database.execute("SELECT rows FROM failure_count").fetchone()
    for _ in range(count - MAX_FAILURES):
        _forget_one(database)


def _forget_one(database: sqlite3.Connection) -> None:
    busiest, rows = database.execute(
        "SELECT network, rows FROM failing ORDER BY rows DESC LIMIT 1"
    ).fetchone()
    if rows * MAX_SHARE > MAX_FAILURES:
        database.execute(
            "DELETE FROM failures WHERE id = (SELECT id FROM failures WHERE network = ?"
            " ORDER BY is_counted, at LIMIT 1)",
            (busiest,),
        )
        return
    oldest = "DELETE FROM failures WHERE id = (SELECT id FROM failures {} ORDER BY at LIMIT 1)"
    if not database.execute(oldest.format("WHERE is_counted = 0")).rowcount:
        database.execute(oldest.format(""))


def count_failures(database: sqlite3.Connection, user: str, network: str, since: float) -> Failures:
    """Return how many sign-ins failed after ``since``."""

    def count(condition: str, *values: str) -> int:
        row = database.execute(
            f"SELECT count(*) FROM failures WHERE {condition} AND is_counted = 1 AND at > ?",  # noqa: S608
            (*values, since),
        ).fetchone()
        return int(row[0])

    name = cut_name(user)
    return Failures(
        of_network=count("network = ?", network),
        of_account=count("user = ?", name),
        of_account_there=count("user = ? AND network = ?", name, network),
        is_known=_known_at(database, name, network) > since - KNOWN_SECONDS,
    )


def pardon(database: sqlite3.Connection, user: str) -> int:
    """Count an account's failures no more; return how many."""
    return database.execute(
        "UPDATE failures SET is_counted = 0 WHERE user = ? AND is_counted = 1", (cut_name(user),)
    ).rowcount


def recent(database: sqlite3.Connection, limit: int) -> list[SignInFailure]:
    """Return the newest failures, newest first."""
    rows = database.execute(
        "SELECT at, user, network, reason FROM failures ORDER BY at DESC, id DESC LIMIT ?",
        (limit,),
    )
    return [SignInFailure(*row) for row in rows]


def is_fresh(database: sqlite3.Connection, user: str, network: str, now: float) -> bool:
    """Tell whether a known network need not be dated anew."""
    return _known_at(database, cut_name(user), network) > now - REFRESH_SECONDS


def note_network(database: sqlite3.Connection, user: str, network: str, now: float) -> None:
    """Note that an account signed in from a network."""
    name = cut_name(user)
    database.execute(
        "INSERT INTO known VALUES (?, ?, ?)"
        " ON CONFLICT (user, network) DO UPDATE SET at = max(at, excluded.at)",
        (name, network, now),
    )
    database.execute(
        "DELETE FROM known WHERE user = ?1 AND at < coalesce((SELECT at FROM known"
        " WHERE user = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2), at)",
        (name, MAX_KNOWN - 1),
    )


def sweep(database: sqlite3.Connection, now: float) -> int:
    """Delete what has passed; return how many rows."""
    swept = database.execute("DELETE FROM failures WHERE at <= ?", (now - FAILURES_KEPT,)).rowcount
    return swept + (
        database.execute(
            "DELETE FROM known WHERE (user, network) IN"
            " (SELECT user, network FROM known WHERE at <= ? LIMIT 5000)",
            (now - KNOWN_SECONDS,),
        ).rowcount
    )


def _known_at(database: sqlite3.Connection, user: str, network: str) -> float:
    row = database.execute(
        "SELECT at FROM known WHERE user = ? AND network = ?", (user, network)
    ).fetchone()
    return float("-inf") if row is None else float(row[0])
