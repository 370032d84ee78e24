"""Entries for tests of the journal."""

from __future__ import annotations

import os
from dataclasses import replace

from countersign.mail.stamp import new_id
from countersign.storage.submission.entries import Entry, Front

NOW = 1_700_000_000.123456


def entry(at: float = NOW, **changes: object) -> Entry:
    made = Entry(
        id=new_id(os.urandom(16)),
        at=at,
        user="ann@example.org",
        recipients=3,
        client_address="192.0.2.1",
        size=3000,
        body_hash=os.urandom(32),
        front=Front.LISTENER,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
