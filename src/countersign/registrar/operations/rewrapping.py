"""Put all that is sealed under the current master key, after the keys were rotated (DESIGN §6).

What is inside stays as it is, octet for octet, and what people change keeps its version: nobody
is kept from working meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import LargeBinary, and_, func, literal, select, type_coerce, update
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import Office, Work
from countersign.registrar.vault.envelope import VaultError
from countersign.storage.database.accounts import Account
from countersign.storage.database.probing import SigningKey
from countersign.storage.database.publication import Fact
from countersign.storage.database.replication import SecondaryKey
from countersign.storage.database.screening import Offender
from countersign.storage.database.servers import DocumentContent, Particulars

log = structlog.get_logger()

REWRAPPED = "rewrapped"
"""The fact that says under which master key everything is."""
SCANS_AT_ONCE = 4
"""They are large."""
_Column = InstrumentedAttribute[Any]
_SEALED: tuple[tuple[_Column, _Column], ...] = (
    (Particulars.server_id, Particulars.sealed),
    (DocumentContent.document_id, DocumentContent.sealed),
    (Offender.id, Offender.sealed),
    (Account.id, Account.totp_sealed),
    (SecondaryKey.id, SecondaryKey.sealed),
    (SigningKey.id, SigningKey.sealed),
)
"""Every column with something sealed in it, and the key of its row."""
_ID_BEGINS, _ID_SIZE = 5, 8
"""Where a sealed blob names its master key, counted from 1; see `vault/envelope.py`."""


def rewrap_all(
    office: Office, *, at_once: int = 200, progress: Callable[[int], None] | None = None
) -> int:
    """Rewrap everything in small transactions; return how many blobs it was.

    May be broken off and begun anew at any time, and run beside everything else. Looks at
    nothing if all was done since the last rotation. What is damaged is left; the log says so.
    progress: called with how many more are done.
    """
    current, total, damaged = office.keyring.current_key_id, 0, 0
    with office.reading() as work:
        fact = work.session.get(Fact, REWRAPPED)
        if fact is not None and fact.value["key"] == current:
            return 0
    for key, column in _SEALED:
        limit = min(at_once, SCANS_AT_ONCE) if key is DocumentContent.document_id else at_once
        after, seen = -1, limit
        while seen == limit:
            done, seen, after = _rewrap_some(office, key, column, after, limit)
            total, damaged = total + done, damaged + seen - done
            if progress is not None:
                progress(done)
    if not damaged:
        with office.work() as work:
            work.session.merge(Fact(name=REWRAPPED, value={"key": current}))
    return total


def count_to_rewrap(office: Office) -> int:
    """Return how many blobs are under an older master key."""
    with office.reading() as work:
        return sum(
            work.session.scalar(select(func.count()).where(_is_old(work, column))) or 0
            for _, column in _SEALED
        )


def is_in_use(work: Work, key_id: str) -> bool:
    """Tell whether anything is sealed under a master key; for `Keyring.retire`."""
    return any(
        work.session.scalar(select(key).where(_is_under(column, key_id)).limit(1)) is not None
        for key, column in _SEALED
    )


def _rewrap_some(
    office: Office, key: _Column, column: _Column, after: int, limit: int
) -> tuple[int, int, int]:
    """Rewrap the next rows; return how many, how many were looked at, and the last one's key."""
    with office.work() as work:
        rows = work.session.execute(
            select(key, column)
            .where(key > after, _is_old(work, column))
            .order_by(key)
            .limit(limit)
            .with_for_update()
        ).all()
        done = sum(_rewrap(work, key, column, row) for row in rows)
        return done, len(rows), rows[-1][0] if rows else after


def _rewrap(work: Work, key: _Column, column: _Column, row: Any) -> bool:
    try:
        sealed = work.keyring.rewrap(row[1])
    except VaultError as error:
        table = column.class_.__tablename__
        log.error("cannot be rewrapped", table=table, key=row[0], reason=str(error))
        return False
    # Not by the model: its version counts what people change.
    work.session.execute(
        update(column.class_).where(key == row[0]).values({column.key: sealed}),
        execution_options={"synchronize_session": False},
    )
    return True


def _is_old(work: Work, column: _Column) -> Any:
    return and_(column.is_not(None), ~_is_under(column, work.keyring.current_key_id))


def _is_under(column: _Column, key_id: str) -> Any:
    named = func.substr(column, _ID_BEGINS, _ID_SIZE)
    wanted = literal(bytes.fromhex(key_id), LargeBinary)
    return and_(column.is_not(None), type_coerce(named, LargeBinary) == wanted)
