"""Fill a registrar's database with believable data, in batches."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

from sqlalchemy import Table, func, insert, select, text

from countersign.registrar.operations.ledger import ledger_account
from countersign.registrar.operations.office import Office, Work
from countersign.registrar.operations.statements import carry_forward
from countersign.registrar.publishing.orders import PUBLISH
from countersign.registrar.seed.cast import Casting
from countersign.registrar.seed.lives import live
from countersign.registrar.seed.rows import Batch, CommonAccounts, RowMaker
from countersign.storage.database.accounts import Account
from countersign.storage.database.base import Base
from countersign.storage.database.counting import add_many
from countersign.storage.database.money import (
    Invoice,
    LedgerAccount,
    Payment,
    Purpose,
    Transfer,
)
from countersign.storage.database.publication import (
    MonthCount,
    PlaceCount,
    StateCount,
    ZoneChange,
)
from countersign.storage.database.servers import Server, ServerEvent

_BATCH = 5000
# Parents before children, for the foreign keys.
_TABLES: tuple[type[Base], ...] = (
    Account,
    Server,
    ServerEvent,
    ZoneChange,
    LedgerAccount,
    Invoice,
    Payment,
    Transfer,
)


class SeedError(Exception):
    """The database is not for seeding; the message says why."""


def seed(
    office: Office, servers: int, *, number: int = 1, progress: Callable[[int], None] | None = None
) -> None:
    """Add servers with owners, histories and money.

    number: the same number gives the same data. progress: called with how many more are there.
    Raises :class:`SeedError` for a database that already holds servers: made-up ones must not
    get among real ones.
    """
    with office.work() as work:
        if work.session.scalar(select(Server.id).limit(1)) is not None:
            raise SeedError("the database already holds servers: seed an empty one")
        common = _common_accounts(work)
        next_keys = {model: _next_key(work, model) for model in _TABLES}
    draw = random.Random(number)  # noqa: S311 - believable, not secret
    organisations = Casting(number).organisations()
    maker = RowMaker(office.config, common, next_keys, draw)
    now = office.clock()
    for begin in range(0, servers, _BATCH):
        size = min(_BATCH, servers - begin)
        for _ in range(size):
            maker.add(next(organisations), live(draw, now))
        with office.work() as work:
            _write(work, maker.take())
        if progress is not None:
            progress(size)
    with office.work() as work:
        _move_sequences(work)
        work.order(PUBLISH, {"whole": True})
    carry_forward(office)
    with office.database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def _common_accounts(work: Work) -> CommonAccounts:
    currency = work.config.money.currency
    return CommonAccounts(
        *(
            ledger_account(work, purpose, currency).id
            for purpose in (
                Purpose.BANK,
                Purpose.UNALLOCATED,
                Purpose.FEE_INCOME,
                Purpose.BOND_FORFEITED,
            )
        )
    )


def _next_key(work: Work, model: type[Base]) -> int:
    return 1 + (work.session.scalar(select(func.max(model.__table__.c.id))) or 0)


def _write(work: Work, batch: Batch) -> None:
    for model in _TABLES:
        if batch.rows[model]:
            table = cast(Table, model.__table__)
            work.session.connection().execute(insert(table), batch.rows[model])
    states = [{"state": state, "servers": count} for state, count in batch.states.items()]
    months = [
        {"month": month, "kind": kind, "count": count}
        for (month, kind), count in batch.months.items()
    ]
    places = [
        {"country": country, "city": city, **place}
        for (country, city), place in batch.places.items()
    ]
    add_many(work.session, StateCount, ["state"], ["servers"], states)
    add_many(work.session, MonthCount, ["month", "kind"], ["count"], months)
    add_many(work.session, PlaceCount, ["country", "city"], ["servers", "providers"], places)


def _move_sequences(work: Work) -> None:
    """Let PostgreSQL's sequences go on behind the keys that were given by hand."""
    if work.session.get_bind().dialect.name != "postgresql":
        return
    for model in _TABLES:
        name = model.__tablename__
        work.session.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "  # noqa: S608
                f"(SELECT coalesce(max(id), 1) FROM {name}))"
            )
        )
