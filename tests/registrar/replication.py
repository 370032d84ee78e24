"""Secondaries and versions of the zone for tests that need no primary."""

from __future__ import annotations

import datetime
from typing import Any

from countersign.registrar.operations import secondaries
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registry.transfer.keys import TsigKey
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.replication import SecondaryState


def add_secondary(
    office: Office, name: str = "frankfurt-1", details: Details | None = None
) -> tuple[int, TsigKey]:
    """Add a secondary; return its row's key and its first TSIG key."""
    with office.work() as work:
        secondary, key = secondaries.add(work, SYSTEM, name, details or Details())
        return secondary.id, key


def publish(
    office: Office, serial: int, *, ago: float = 0.0, records: int = 100, follows: bool = True
) -> None:
    """Add a version to the zone's journal; ago: seconds before the office's present."""
    with office.work() as work:
        version = ZoneVersion(
            serial=serial,
            at=work.now - datetime.timedelta(seconds=ago),
            follows=follows,
            changes=b"",
            records=records,
            node_sum=b"",
        )
        work.session.add(version)


def note_state(office: Office, secondary_id: int, **columns: Any) -> None:
    """Store what the primary would know of a secondary."""
    with office.work() as work:
        work.session.merge(SecondaryState(secondary_id=secondary_id, **columns))
