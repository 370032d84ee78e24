"""A new version of the zone, from the one before it and what changes."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Work
from countersign.registrar.publishing.image import (
    Node,
    addresses_of,
    apex_of,
    nodes_of,
    nodes_of_addresses,
)
from countersign.registrar.publishing.listable import can_be_listed
from countersign.registry.copy.reading import Snapshot
from countersign.registry.zone.changes import NodeChange, pack_changes
from countersign.registry.zone.content import apex_node, host_keys
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    digest_record,
    simple_digest,
)
from countersign.registry.zone.names import APEX, zone_wire
from countersign.registry.zone.records import ZONEMD, kind_of, make_node, split_node
from countersign.storage.database.publication import ZoneVersion


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the zone that is about to be published."""

    serial: int
    follows: bool
    changes: list[NodeChange]
    """In canonical order; of a version that follows none: its apex alone."""
    records: int
    node_sum: bytes

    @property
    def apex(self) -> bytes:
        """The node of its apex."""
        return next(one.after for one in self.changes if one.key == APEX)

    def row(self, at: datetime.datetime) -> ZoneVersion:
        """Return its row of the journal."""
        return ZoneVersion(
            serial=self.serial,
            at=at,
            follows=self.follows,
            changes=pack_changes(self.changes),
            records=self.records,
            node_sum=self.node_sum,
        )


def touched(
    work: Work, snapshot: Snapshot, hosts: Iterable[str], addresses: Iterable[str]
) -> list[NodeChange]:
    """Return how nodes of hosts and addresses must change to be the database's image."""
    names = [name for name in hosts if can_be_listed(name, work.config.zone)]
    wanted: dict[bytes, bytes] = {}
    for name, nodes in nodes_of(work, names).items():
        own, voucher, signing = host_keys(name)
        gone = {own, voucher, *(key for key, _ in snapshot.nodes(below=signing))}
        wanted.update(dict.fromkeys(gone, b""))
        wanted.update(nodes)
    wanted.update(nodes_of_addresses(work, {*addresses, *addresses_of(work, names)}))
    changes = (NodeChange(key, snapshot.get(key), wanted[key]) for key in sorted(wanted))
    return [one for one in changes if one.before != one.after]


def make_version(
    config: RegistrarConfig,
    snapshot: Snapshot,
    changes: Sequence[NodeChange],
    serial: int,
    *,
    follows: bool,
) -> Version:
    """Return the version that some changes of a zone, but for its apex, make.

    follows: else the snapshot is the new zone already, without its apex. Raises
    :class:`~countersign.registry.zone.names.OwnerNameError` for settings that make no apex.
    """
    apex, old = apex_of(config), snapshot.get(APEX)
    bare = apex_node(apex, serial)
    all_changes = [NodeChange(APEX, old, bare), *changes]
    total, records = NodeSum(snapshot.meta.node_sum), snapshot.meta.records
    for one in all_changes:
        total.remove(one.key, one.before)
        total.add(one.key, one.after)
        records += len(split_node(one.after)) - len(split_node(one.before))
    digests = [digest_record(apex.ttl, serial, SUM, SHAKE_SUM, total.digest())]
    if records + 2 <= config.publication.simple_digest_records:
        nodes = merged(snapshot.nodes(), all_changes)
        digest = simple_digest(zone_wire(config.zone), nodes)
        digests.append(digest_record(apex.ttl, serial, SIMPLE, SHA384, digest))
    new = NodeChange(APEX, old, apex_node(apex, serial, digests))
    return Version(
        serial=serial,
        follows=follows,
        changes=[new, *changes],
        records=records + len(digests),
        node_sum=total.to_bytes(),
    )


def says_the_same(config: RegistrarConfig, apex: bytes, serial: int) -> bool:
    """Tell whether an apex, but for its digests, is what the settings make."""
    records = [one for one in split_node(apex) if kind_of(one) != ZONEMD]
    return make_node(records) == apex_node(apex_of(config), serial)


def merged(nodes: Iterable[Node], changes: Sequence[NodeChange]) -> Iterator[Node]:
    """Give nodes as changes leave them; both in canonical order."""
    at = 0
    for key, node in nodes:
        while at < len(changes) and changes[at].key < key:
            yield from _there(changes[at])
            at += 1
        if at < len(changes) and changes[at].key == key:
            yield from _there(changes[at])
            at += 1
        else:
            yield key, node
    for change in changes[at:]:
        yield from _there(change)


def _there(change: NodeChange) -> Iterator[Node]:
    if change.after:
        yield change.key, change.after
