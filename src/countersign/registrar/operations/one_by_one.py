"""Go through many servers, each in a transaction of its own: none stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, select, tuple_

from countersign.registrar.operations.office import Office, OperationError, Work
from countersign.storage.database.servers import Server

log = structlog.get_logger()

_AT_ONCE = 500


@dataclass(slots=True)
class Tally:
    """What became of the servers that a daily task went through."""

    done: int = 0
    passed_over: int = 0
    """There was nothing to do, or somebody else has done it."""
    failed: int = 0
    """Left for the next run; the log says why."""


def each_server(
    office: Office,
    conditions: Sequence[ColumnElement[bool]],
    column: Any,
    act: Callable[[Work, Server], bool],
) -> Tally:
    """Do something with each server that meets some conditions.

    column: of `Server`, never NULL where the conditions hold, and with an index that begins with
    what they compare. act: tells whether it did something; the server's row is held, and its
    conditions still hold.
    """
    tally = Tally()
    last: tuple[Any, ...] | None = None
    while True:
        statement = select(column, Server.id).where(*conditions).order_by(column, Server.id)
        if last is not None:
            statement = statement.where(tuple_(column, Server.id) > tuple_(*last))
        with office.reading() as work:
            rows = work.session.execute(statement.limit(_AT_ONCE)).all()
        for row in rows:
            _do_one(office, row[1], conditions, act, tally)
        if len(rows) < _AT_ONCE:
            return tally
        last = tuple(rows[-1])


def _do_one(
    office: Office,
    server_id: int,
    conditions: Sequence[ColumnElement[bool]],
    act: Callable[[Work, Server], bool],
    tally: Tally,
) -> None:
    try:
        with office.work() as work:
            server = work.session.scalar(
                select(Server)
                .where(Server.id == server_id, *conditions)
                .with_for_update(key_share=True)
            )
            did = server is not None and act(work, server)
    except OperationError as error:
        log.warning("server left for the next run", server=server_id, reason=str(error))
        tally.failed += 1
        return
    except Exception as error:
        # Whatever is wrong with one must not stop the rest. Its text may quote personal data.
        log.error("server left for the next run", server=server_id, error=type(error).__name__)
        tally.failed += 1
        return
    if did:
        tally.done += 1
    else:
        tally.passed_over += 1
