"""Transactions that meet: the one that has to yield is told so, on every engine."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import ConflictError, Office
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.peer)], indirect=True
)
def test_a_lock_that_is_not_to_be_had_is_a_conflict(office: Office) -> None:
    server_id = treasury.make_offered(office)
    with office.work() as first:
        hold(first, first.session.get_one(Server, server_id))
        with pytest.raises(ConflictError), office.work() as second:
            second.session.execute(text("SET LOCAL lock_timeout = '50ms'"))
            hold(second, second.session.get_one(Server, server_id))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_another_holds_is_a_conflict(office: Office) -> None:
    file = str(office.database.engine.url.database)
    with closing(sqlite3.connect(file)) as first, closing(sqlite3.connect(file, 0)) as second:
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            second.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConflictError), office.work():
        raise OperationalError("BEGIN IMMEDIATE", None, caught.value)


def test_what_is_no_conflict_stays_what_it_is(office: Office) -> None:
    with pytest.raises(OperationalError), office.work():
        raise OperationalError("SELECT 1", None, ValueError("deadlock"))
