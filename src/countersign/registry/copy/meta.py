"""What a copy knows of itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from countersign.registry.zone.digest import SUM_SIZE

_FORMAT = 1
DOUBTED = 0.0
"""When a copy that is damaged was last confirmed: never, so that it counts as stale."""
CLOCK_SKEW = 300.0
"""Seconds by which a clock may be set back before the copy's age is unknown, which is: stale."""


class Peak(NamedTuple):
    """How many records a zone had at most of late, and when it had them last (Unix seconds)."""

    records: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class CopyMeta:
    """What a copy is a copy of. Times are Unix seconds."""

    zone: str
    """The zone's name, lower case, without the final dot."""
    serial: int
    """Of the version that is here."""
    records: int
    """How many records it has."""
    node_sum: bytes
    """:class:`~countersign.registry.zone.digest.NodeSum` over all nodes, as octets."""
    checked_at: float
    """When it was last known to be what the primary has."""
    loaded_at: float
    """When this version came here."""
    source: str = ""
    """Where it came from, for people to read."""
    peak_records: int = 0
    """The most records that the zone had of late, as far as its keeper notes that."""
    peak_at: float = 0.0
    """When it had them last."""

    @property
    def is_doubted(self) -> bool:
        """Tell whether it was found damaged."""
        return self.checked_at == DOUBTED

    def current_between(self, max_age: float) -> tuple[float, float]:
        """Return from when until when it is current, if it may be so old (seconds)."""
        return self.checked_at - CLOCK_SKEW, self.checked_at + max_age


@dataclass(frozen=True, slots=True)
class StoredMeta:
    """The record in the file."""

    table: str
    """Which of the two data tables is the copy."""
    meta: CopyMeta

    def pack(self) -> bytes:
        """Return it as octets."""
        fields = asdict(self.meta) | {"node_sum": self.meta.node_sum.hex()}
        head = {"format": _FORMAT, "table": self.table}
        return json.dumps(head | fields, separators=(",", ":")).encode()


def unpack_meta(octets: bytes) -> StoredMeta:
    """Read the record. Raises :class:`ValueError`."""
    fields: dict[str, Any] = json.loads(octets)
    if not isinstance(fields, dict) or fields.pop("format", None) != _FORMAT:
        raise ValueError("a format that this version does not know")
    try:
        table = str(fields.pop("table"))
        fields["node_sum"] = bytes.fromhex(fields["node_sum"])
        meta = CopyMeta(**fields)
    except (KeyError, TypeError) as error:
        raise ValueError("a field is missing or strange") from error
    if table not in ("a", "b") or len(meta.node_sum) != SUM_SIZE:
        raise ValueError("a field has a strange value")
    return StoredMeta(table, meta)
