"""Put all that is sealed under the current master key, after the keys were rotated (DESIGN §6)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import LargeBinary, and_, func, literal, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from countersign.registrar.operations.office import ConflictError, Office, Work
from countersign.storage.database.accounts import Account
from countersign.storage.database.base import Base
from countersign.storage.database.screening import Offender
from countersign.storage.database.servers import DocumentContent, Particulars

_SEALED: tuple[tuple[type[Base], InstrumentedAttribute[int], InstrumentedAttribute[Any]], ...] = (
    (Particulars, Particulars.server_id, Particulars.sealed),
    (DocumentContent, DocumentContent.document_id, DocumentContent.sealed),
    (Offender, Offender.id, Offender.sealed),
    (Account, Account.id, Account.totp_sealed),
)
"""Every column with something sealed in it, and the key of its row."""
_ID_BEGINS, _ID_SIZE = 5, 8
"""Where a sealed blob names its master key, counted from 1; see `vault/envelope.py`."""
_CONFLICTS = 5


def rewrap_all(office: Office, *, at_once: int = 200) -> int:
    """Rewrap everything in small transactions; return how many blobs it was.

    May be broken off and begun anew at any time, and run beside everything else.
    """
    total = 0
    for _, key, column in _SEALED:
        after = -1
        while True:
            done, after = _rewrap_some(office, key, column, after, at_once)
            total += done
            if done < at_once:
                break
    return total


def is_in_use(work: Work, key_id: str) -> bool:
    """Tell whether anything is sealed under a master key; for `Keyring.retire`."""
    return any(
        work.session.scalar(select(key).where(_is_under(column, key_id)).limit(1)) is not None
        for _, key, column in _SEALED
    )


def _rewrap_some(
    office: Office,
    key: InstrumentedAttribute[int],
    column: InstrumentedAttribute[Any],
    after: int,
    at_once: int,
) -> tuple[int, int]:
    """Rewrap the next rows after a key; return how many, and the key of the last."""
    for left in reversed(range(_CONFLICTS)):
        try:
            with office.work() as work:
                current = work.keyring.current_key_id
                statement = (
                    select(key.class_)
                    .where(key > after, column.is_not(None), ~_is_under(column, current))
                    .order_by(key)
                    .limit(at_once)
                    .with_for_update()
                )
                rows = work.session.scalars(statement).all()
                for row in rows:
                    setattr(row, column.key, work.keyring.rewrap(getattr(row, column.key)))
                return len(rows), getattr(rows[-1], key.key) if rows else after
        except ConflictError:
            # Somebody saved the same row; it is read anew.
            if not left:
                raise
    raise AssertionError("the loop ends by returning or raising")


def _is_under(column: InstrumentedAttribute[Any], key_id: str) -> Any:
    named = func.substr(column, _ID_BEGINS, _ID_SIZE)
    wanted = literal(bytes.fromhex(key_id), LargeBinary)
    return and_(column.is_not(None), type_coerce(named, LargeBinary) == wanted)
