"""Zones for the tests of the copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.lookup import Standing
from countersign.registry.zone.content import Apex, Listed, apex_node, host_nodes
from countersign.registry.zone.digest import NodeSum
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import split_node

ZONE = "list.example"
_APEX = Apex("ns1.example", "hostmaster@example", ("ns1.example", "ns2.example"))


def apex(serial: int) -> bytes:
    """Return the node of the apex."""
    return apex_node(_APEX, serial)


def zone(serial: int, hostnames: Iterable[str]) -> dict[bytes, bytes]:
    """Return a zone of registered servers."""
    nodes = {APEX: apex(serial)}
    for hostname in hostnames:
        nodes.update(host_nodes(Listed(hostname, Standing.REGISTERED), 300))
    return nodes


def records_of(nodes: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, record) of all nodes in canonical order."""
    for key in sorted(nodes):
        for record in split_node(nodes[key]):
            yield key, record


def meta_of(nodes: dict[bytes, bytes], serial: int, now: float = 1000.0) -> CopyMeta:
    """Return what a copy of these nodes must say of itself."""
    total = NodeSum()
    for key, node in nodes.items():
        total.add(key, node)
    count = sum(1 for _ in records_of(nodes))
    return CopyMeta(ZONE, serial, count, total.to_bytes(), now, now, "test")


def fill(copy: ZoneCopy, nodes: dict[bytes, bytes], serial: int, now: float = 1000.0) -> CopyMeta:
    """Make a copy a copy of these nodes."""
    with copy.replacing() as new:
        for key, record in records_of(nodes):
            new.add(key, record)
        return new.commit(zone=ZONE, serial=serial, checked_at=now, source="test")


def all_nodes(copy: ZoneCopy) -> dict[bytes, bytes]:
    """Return all that a copy holds."""
    with copy.reader().snapshot() as snapshot:
        return dict(snapshot.nodes())
