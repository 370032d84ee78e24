"""Whether journal and copy are what the database makes of the zone."""

from __future__ import annotations

import itertools

from sqlalchemy import select

from countersign.registrar.operations.office import Office
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registrar.publishing.image import apex_of, image
from countersign.registry.zone.changes import NodeChange, condense, unpack_changes
from countersign.registry.zone.content import apex_node
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    claimed_digest,
    simple_digest,
)
from countersign.registry.zone.names import APEX, zone_wire
from countersign.registry.zone.records import ZONEMD, kind_of, make_node, split_node
from countersign.registry.zone.serial import is_newer
from countersign.storage.database.publication import ZoneVersion

Nodes = dict[bytes, bytes]


def image_now(office: Office) -> Nodes:
    """Return the nodes that the database makes, but for the apex."""
    with office.reading() as work:
        return dict(image(work))


def copy_now(office: Office) -> Nodes:
    """Return all nodes of the copy."""
    with open_zone_copy(office, writable=False) as copy, copy.reader().snapshot() as snapshot:
        return dict(snapshot.nodes())


def versions(office: Office) -> list[ZoneVersion]:
    """Return the journal."""
    with office.reading() as work:
        return list(work.session.scalars(select(ZoneVersion).order_by(ZoneVersion.id)))


def serial_now(office: Office) -> int:
    """Return the serial of the last version."""
    return versions(office)[-1].serial


def check_published(office: Office) -> Nodes:
    """Check that the copy is the image, whole, right and the last version; return its nodes."""
    nodes = copy_now(office)
    apex = nodes[APEX]
    assert {key: node for key, node in nodes.items() if key != APEX} == image_now(office)
    last = versions(office)[-1]
    with open_zone_copy(office, writable=False) as copy:
        meta = copy.meta()
        assert copy.verify() == []
    assert meta is not None
    assert (meta.zone, meta.serial) == (office.config.zone, last.serial)
    assert (meta.records, meta.node_sum) == (last.records, last.node_sum)
    assert last.records == sum(len(split_node(node)) for node in nodes.values())
    bare = make_node(one for one in split_node(apex) if kind_of(one) != ZONEMD)
    assert bare == apex_node(apex_of(office.config), last.serial)
    total = NodeSum()
    for key, node in nodes.items():
        total.add(key, node)
    assert total.to_bytes() == last.node_sum
    assert claimed_digest(apex, last.serial, SUM, SHAKE_SUM) == total.digest()
    simple = claimed_digest(apex, last.serial, SIMPLE, SHA384)
    if last.records <= office.config.publication.simple_digest_records:
        assert simple == simple_digest(zone_wire(office.config.zone), sorted(nodes.items()))
    else:
        assert simple is None
    return nodes


def apply(nodes: Nodes, changes: list[NodeChange]) -> Nodes:
    """Return what changes make of a zone."""
    made = dict(nodes)
    for key, before, after in changes:
        assert made.pop(key, b"") == before
        if after:
            made[key] = after
    return made


def check_journal(office: Office, seen: dict[int, Nodes]) -> None:
    """Check that each version leads to the next one of those that were seen, and all together.

    seen: zones by their serial, in the order in which they were published.
    """
    rows = versions(office)
    for earlier, later in itertools.pairwise(rows):
        assert is_newer(later.serial, earlier.serial)
    begin: Nodes | None = None
    path: list[list[NodeChange]] = []
    zone: Nodes | None = None
    for row in rows:
        changes = unpack_changes(row.changes)
        assert [one.key for one in changes] == sorted({one.key for one in changes})
        if not row.follows:
            assert [one.key for one in changes] == [APEX]
            begin = zone = seen.get(row.serial)
            path = []
        elif zone is None:
            # Of versions in between nothing was seen.
            begin = zone = seen.get(row.serial)
            path = []
        else:
            zone = apply(zone, changes)
            path.append(changes)
            assert zone == seen.get(row.serial, zone)
        if begin is not None and zone is not None:
            assert apply(begin, condense(path)) == zone
