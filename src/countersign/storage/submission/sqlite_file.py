"""Opens a SQLite file as the stores of submission use it, and says in words what fails."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from countersign.storage.tables import TablesUnavailableError

Schema = Sequence[Sequence[str]]
"""For each version, in order, the statements that lead to it from the one before."""

_WORDS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it may not be written to",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_PERM": "it may not be opened",
    "SQLITE_BUSY": "other processes held it for too long",
    "SQLITE_CORRUPT": "the file is damaged: restore it, or move it away",
    "SQLITE_NOTADB": "the file is damaged: it is no SQLite file",
    "SQLITE_IOERR": "the disk does not read or write it",
}


def explain(error: Exception) -> str:
    """Say what an error of SQLite or the system means for whoever runs the host."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    name = str(getattr(error, "sqlite_errorname", None) or "")
    for known, words in _WORDS.items():
        if name == known or name.startswith(known + "_"):
            return f"{words} ({error})"
    return str(error)


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file has a name now; None: none has."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connect(
    path: Path, schema: Schema, *, synchronous: str, busy_timeout: float
) -> sqlite3.Connection:
    """Open or make a file, in WAL mode, and bring it to the newest version of its schema.

    Raises :class:`~countersign.storage.tables.TablesUnavailableError`.
    """
    connection: sqlite3.Connection | None = None
    try:
        _make(path)
        with _alone(path):
            # Used by one thread at a time, though not by the one that opens it.
            connection = sqlite3.connect(
                path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            _upgrade(connection, schema)
    except (sqlite3.Error, OSError, TablesUnavailableError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, TablesUnavailableError):
            raise TablesUnavailableError(f"{path}: {error}") from error
        raise TablesUnavailableError(f"cannot open {path}: {explain(error)}") from error
    return connection


def _make(path: Path) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give_away(path.parent)
    if not path.exists():
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            _give_away(path)


def _give_away(path: Path) -> None:
    """Give what root makes (by a command) to the owner of its directory: the gateway."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time open: SQLite does not wait for its turn to change the mode."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _upgrade(connection: sqlite3.Connection, schema: Schema) -> None:
    if _version(connection) == len(schema):
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)
    if version > len(schema):
        raise TablesUnavailableError("made by a newer version of countersign")
    for statements in schema[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(schema)}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
