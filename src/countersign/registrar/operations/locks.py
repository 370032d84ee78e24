"""Rows held until the end of a transaction, so that what was read of them stays true.

On SQLite writers queue anyway. On PostgreSQL whoever moves money or changes invoices of a server
holds the server's row; whoever uses a payment holds the payment's. A payment is taken before a
server, so that two never wait for each other.
"""

from __future__ import annotations

from countersign.registrar.operations.office import Work
from countersign.storage.database.base import Base


def hold(work: Work, row: Base) -> None:
    """Wait for a row, see it as it is now, and keep others from changing it."""
    work.session.flush()
    # Not against those who only refer to the row: events are written beside us.
    work.session.refresh(row, with_for_update={"key_share": True})
