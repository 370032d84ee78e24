"""The schema: what migrations make is what the models say, and data survives them."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.seed.seeding import seed
from countersign.storage.database import migration
from countersign.storage.database.engine import Database, DatabaseError
from countersign.storage.database.models import metadata

APPEND_ONLY = (
    "server_event",
    "transfer",
    "access_record",
    "offender_query",
    "contract_acceptance",
    "zone_change",
)


def content(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables."""
    with database.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def revisions(database: Database) -> list[str]:
    """Return all revisions, the first one first."""
    with database.engine.begin() as connection:
        scripts = ScriptDirectory.from_config(migration._config(connection))
        return [script.revision for script in scripts.walk_revisions()][::-1]


def test_migrations_make_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_data_survives_every_migration_down_and_up_again(office: Office) -> None:
    seed(office, 60)
    before = content(office.database)
    first, *later = revisions(office.database)
    for revision in [first, *later][-2::-1]:
        migration.downgrade(office.database, revision)
    for revision in later:
        migration.migrate(office.database, revision)
    assert content(office.database) == before


def test_down_to_the_base_leaves_nothing(office: Office) -> None:
    seed(office, 10)
    migration.downgrade(office.database, "base")
    assert set(inspect(office.database.engine).get_table_names()) == {"alembic_version"}
    migration.migrate(office.database)
    assert set(inspect(office.database.engine).get_table_names()) > {"server", "transfer"}


def test_migrating_twice_is_migrating_once(office: Office) -> None:
    seed(office, 10)
    before = content(office.database)
    migration.migrate(office.database)
    assert content(office.database) == before


def test_a_database_of_a_newer_program_is_left_alone(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="newer"):
        migration.migrate(database)


@pytest.mark.parametrize("table", ["server_event", "transfer", "zone_change", "access_record"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id + 1000000", "DELETE FROM {}"])
def test_records_cannot_be_changed_or_deleted(office: Office, table: str, change: str) -> None:
    seed(office, 30)
    with office.work() as work:
        work.record(SYSTEM, "seen", "server:1")
    with (
        pytest.raises(DBAPIError, match="append-only"),
        office.database.engine.begin() as connection,
    ):
        connection.execute(text(change.format(table)))


def test_every_record_that_must_stay_is_guarded(database: Database) -> None:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
        if database.is_sqlite
        else "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass)"
    )
    with database.engine.connect() as connection:
        for table in APPEND_ONLY:
            assert connection.execute(text(query), {"table": table}).all(), table
