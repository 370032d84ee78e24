"""Bring a database's schema up to date, or back (Alembic)."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from countersign.storage.database.engine import Database, DatabaseError

_LOCK = 0x636F756E74657273
"""Advisory lock (PostgreSQL): of several processes that start together one migrates."""


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade the schema. Does nothing if it is up to date.

    Raises :class:`DatabaseError` if the database is of a newer version than this program.
    """
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        config = _config(connection)
        present = current_revision(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if present is not None and present not in known:
            raise DatabaseError(
                f"the database is of a newer version ({present}) than this program: upgrade it"
            )
        command.upgrade(config, revision)


def downgrade(database: Database, revision: str) -> None:
    """Take migrations back down to a revision; 'base' removes everything."""
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def write_migration(database: Database, message: str, number: str) -> None:
    """Write a new migration from the difference between models and database (developers)."""
    with database.engine.begin() as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=number)


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database; None: empty."""
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option(
        "script_location", str(files("countersign.storage.database") / "migrations")
    )
    config.attributes["connection"] = connection
    return config
