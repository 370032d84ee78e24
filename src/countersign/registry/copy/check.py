"""Checking a whole copy against its sums and digests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from countersign.registry.copy.errors import CopyError
from countersign.registry.copy.reading import CopyReader, Snapshot
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    SimpleDigest,
    claimed_digest,
    is_same,
)
from countersign.registry.zone.names import APEX, OwnerNameError, text_of, zone_wire
from countersign.registry.zone.records import SOA, RecordError, make_node, read_node, split_node

_MOST_FAULTS = 20
_STEP = 2000

Progress = Callable[[int], None]
"""Called now and then with the number of records seen since the last call; may raise."""


@dataclass(slots=True)
class Check:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    """What no copy may have, for people to read."""
    digests: dict[str, bool] = field(default_factory=dict)
    """Of each ZONEMD record of the apex that could be checked: whether it is the zone's."""

    @property
    def is_whole(self) -> bool:
        """Whether it may be used: of several digests one that fits is enough (RFC 8976 §4)."""
        return not self.faults and (not self.digests or any(self.digests.values()))


def faults_of(reader: CopyReader) -> list[str]:
    """Return everything that is wrong with a copy."""
    try:
        with reader.snapshot() as snapshot:
            check = check_snapshot(snapshot)
    except CopyError as error:
        return [str(error)]
    wrong = [name for name, is_right in check.digests.items() if not is_right]
    return check.faults + [f"the digest ({name}) is not the zone's" for name in wrong]


def check_snapshot(snapshot: Snapshot, progress: Progress = lambda _more: None) -> Check:
    """Go through a copy as it is in one state; what is bad beyond use ends it early."""
    meta, check = snapshot.meta, Check()
    try:
        simple = SimpleDigest(zone_wire(meta.zone))
    except OwnerNameError as error:
        return Check([str(error)])
    total, records, told = NodeSum(), 0, 0
    for key, node in snapshot.nodes():
        try:
            split = split_node(node)
            if not split or make_node(split) != node:
                check.faults.append(f"the records of {text_of(key)} are not in their order")
            simple.add(key, node)
            total.add(key, node)
            records += len(split)
        except (RecordError, ValueError) as error:
            check.faults.append(f"the records of {text_of(key)} cannot be read: {error}")
        if len(check.faults) >= _MOST_FAULTS:
            check.faults.append("and more")
            return check
        if records - told >= _STEP:
            progress(records - told)
            told = records
    progress(records - told)
    if records != meta.records:
        check.faults.append(f"there are {records} records, and there should be {meta.records}")
    if not is_same(total.to_bytes(), meta.node_sum):
        check.faults.append("the sum over the nodes is not what was noted")
    _check_apex(snapshot, check, simple.digest(), total.digest())
    return check


def _check_apex(snapshot: Snapshot, check: Check, simple: bytes, total: bytes) -> None:
    serial, apex = snapshot.meta.serial, snapshot.get(APEX)
    try:
        soas = [one.rdata for one in read_node(apex) if one.kind == SOA]
    except RecordError:
        check.faults.append("the records of the apex cannot be read")
        return
    if len(soas) != 1:
        check.faults.append("there is no SOA record, or more than one")
    elif int.from_bytes(soas[0][-20:-16], "big") != serial:
        check.faults.append(f"the SOA record has another serial than {serial}")
    for name, scheme, algorithm, found in (
        ("ZONEMD", SIMPLE, SHA384, simple),
        ("sum", SUM, SHAKE_SUM, total),
    ):
        claimed = claimed_digest(apex, serial, scheme, algorithm)
        if claimed is not None:
            check.digests[name] = is_same(claimed, found)
