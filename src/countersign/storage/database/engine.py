"""The engine: one class for SQLite and PostgreSQL, with transactions that mean the same on both."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

_LOCK_SECONDS = 30


class DatabaseError(Exception):
    """The database cannot be used; the message says why and what to do."""


class Database:
    """A registrar's database. Thread-safe; fork before the first use only."""

    def __init__(self, url: str, *, connections: int = 16) -> None:
        """``url`` as SQLAlchemy writes it; postgresql:// means the driver psycopg.

        Raises :class:`DatabaseError`.
        """
        self.engine = _make_engine(url, connections)
        self._writing = sessionmaker(self.engine, expire_on_commit=False)
        options: dict[str, Any] = {"read_only": True}
        if not self.is_sqlite:
            # One state for all statements of a view, as SQLite gives it by itself.
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = sessionmaker(
            self.engine.execution_options(**options), expire_on_commit=False
        )

    @property
    def is_sqlite(self) -> bool:
        """Tell whether this is the embedded engine."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Give a session that commits when the block ends well, and else rolls back.

        On SQLite writers wait for one another from the beginning of the block, so that no
        transaction fails half-way for being late.
        """
        with self._writing.begin() as session:
            yield session

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that sees one state and changes nothing.

        What was read stays readable after the block.
        """
        # Closing rolls back, and unlike rollback() forgets nothing that was loaded.
        with self._reading() as session:
            yield session

    def after_commit_of(self, model: type[Any], call: Callable[[], None]) -> Callable[[], None]:
        """Call something after each commit here that added rows of a model; returns what ends it.

        The call is made in the thread that commits, and must not raise.
        """
        key = object()

        def note(session: Session, _context: Any) -> None:
            if any(isinstance(one, model) for one in session.new):
                session.info[key] = True

        def tell(session: Session) -> None:
            if session.info.pop(key, False):
                call()

        listeners = (("after_flush", note), ("after_commit", tell))
        for name, listener in listeners:
            event.listen(self._writing, name, listener)

        def end() -> None:
            for name, listener in listeners:
                event.remove(self._writing, name, listener)

        return end

    def check(self) -> None:
        """Ask the engine for a sign of life. Raises :class:`DatabaseError`."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError as error:
            raise DatabaseError(f"no connection to the database: {error.orig}") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _make_engine(url: str, connections: int) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            "not a database URL: write sqlite:////path/file or postgresql://USER@HOST/NAME"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        return _make_sqlite(url, connections)
    if parsed.get_backend_name() != "postgresql":
        raise DatabaseError(f"{parsed.get_backend_name()}: only sqlite and postgresql are known")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        # An error's text must not quote what somebody entered.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=_LOCK_SECONDS,
        connect_args={"options": f"-c lock_timeout={_LOCK_SECONDS}s -c timezone=UTC"},
    )


def _make_sqlite(url: str, connections: int) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_LOCK_SECONDS,
        connect_args={"timeout": _LOCK_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions begin too late; `_begin_sqlite` says when.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        # A committed payment must survive a power cut too.
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-65536",
        "mmap_size=268435456",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
