"""The states of secondaries in the database: read at the start, and stored as they change."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import insert, or_, select, update

from countersign.registrar.operations.office import Work
from countersign.registrar.primary.states import State
from countersign.storage.database.replication import Secondary, SecondaryKey, SecondaryState

_NAMES = tuple(field.name for field in fields(State))
_ALERTED = "alerted_at"
"""Not stored here: `operations/secondaries.py` keeps it with the letters that it orders."""


def load_states(work: Work) -> dict[int, State]:
    """Return the stored states of all secondaries that were not removed."""
    rows = work.session.scalars(
        select(SecondaryState)
        .join(Secondary, Secondary.id == SecondaryState.secondary_id)
        .where(Secondary.removed_at.is_(None))
    )
    return {
        row.secondary_id: State(**{name: getattr(row, name) for name in _NAMES}) for row in rows
    }


def store_states(
    work: Work, states: Mapping[int, State], keys: Mapping[str, datetime.datetime]
) -> None:
    """Store states, and when keys were last used."""
    session = work.session
    there = set(
        session.scalars(
            select(SecondaryState.secondary_id).where(SecondaryState.secondary_id.in_(states))
        )
    )
    rows = [{"secondary_id": one, **_columns(state)} for one, state in states.items()]
    if known := [row for row in rows if row["secondary_id"] in there]:
        session.execute(update(SecondaryState), known)
    if new := [row for row in rows if row["secondary_id"] not in there]:
        session.execute(insert(SecondaryState), new)
    for name, at in keys.items():
        session.execute(
            update(SecondaryKey)
            .where(
                SecondaryKey.name == name,
                or_(SecondaryKey.used_at.is_(None), SecondaryKey.used_at < at),
            )
            .values(used_at=at)
        )


def _columns(state: State) -> dict[str, Any]:
    return {name: value for name, value in asdict(state).items() if name != _ALERTED}
