"""Checking a whole copy against its sums and digests."""

from __future__ import annotations

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


def faults_of(reader: CopyReader) -> list[str]:
    """Return what is wrong with a copy."""
    try:
        with reader.snapshot() as snapshot:
            return _faults(snapshot)
    except CopyError as error:
        return [str(error)]


def _faults(snapshot: Snapshot) -> list[str]:
    meta, faults = snapshot.meta, []
    try:
        simple = SimpleDigest(zone_wire(meta.zone))
    except OwnerNameError as error:
        return [str(error)]
    total, records = NodeSum(), 0
    for key, node in snapshot.nodes():
        try:
            split = split_node(node)
            if not split or make_node(split) != node:
                faults.append(f"the records of {text_of(key)} are not in their order")
            simple.add(key, node)
            total.add(key, node)
            records += len(split)
        except (RecordError, ValueError) as error:
            faults.append(f"the records of {text_of(key)} cannot be read: {error}")
        if len(faults) >= _MOST_FAULTS:
            return [*faults, "and more"]
    if records != meta.records:
        faults.append(f"there are {records} records, and there should be {meta.records}")
    if not is_same(total.to_bytes(), meta.node_sum):
        faults.append("the sum over the nodes is not what was noted")
    return faults + _faults_of_apex(snapshot, simple.digest(), total.digest())


def _faults_of_apex(snapshot: Snapshot, simple: bytes, total: bytes) -> list[str]:
    faults, serial = [], snapshot.meta.serial
    apex = snapshot.get(APEX)
    try:
        soas = [one.rdata for one in read_node(apex) if one.kind == SOA]
    except RecordError:
        return ["the records of the apex cannot be read"]
    if len(soas) != 1:
        faults.append("there is no SOA record, or more than one")
    elif int.from_bytes(soas[0][-20:-16], "big") != serial:
        faults.append(f"the SOA record has another serial than {serial}")
    for name, scheme, algorithm, found in (
        ("SIMPLE, SHA-384", SIMPLE, SHA384, simple),
        ("the sum's", SUM, SHAKE_SUM, total),
    ):
        claimed = claimed_digest(apex, serial, scheme, algorithm)
        if claimed is not None and not is_same(claimed, found):
            faults.append(f"the digest of the apex's ZONEMD record ({name}) is not the zone's")
    return faults
