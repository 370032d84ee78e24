"""A zone with a history, made as the registrar makes it: with digests, version by version."""

from __future__ import annotations

import dns.name
import dns.rdata

from countersign.registry.lookup import Standing
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.content import Apex, Listed, apex_node, host_keys, host_nodes
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    digest_record,
    simple_digest,
)
from countersign.registry.zone.names import APEX, labels_of, zone_wire
from countersign.registry.zone.records import SOA, kind_of, read_node, split_node

NAME = "registry.example"
WIRE = zone_wire(NAME)
TTL = 300
Nodes = dict[bytes, bytes]


class Zone:
    """What a primary has to give."""

    def __init__(
        self, hosts: int = 3, *, serial: int = 100, digests: tuple[int, ...] = (SUM, SIMPLE)
    ) -> None:
        self.digests = digests
        self.expire = 14 * 86400
        self.serial = serial
        self.nodes: Nodes = {}
        self.steps: list[tuple[bytes, bytes, list[NodeChange]]] = []
        for number in range(hosts):
            self.nodes.update(_of_host(f"mail{number}.example.org", Standing.REGISTERED))
        self._set_apex()

    @property
    def soa(self) -> bytes:
        return soa_of(self.nodes)

    @property
    def records(self) -> int:
        return sum(len(split_node(node)) for node in self.nodes.values())

    def host(self, hostname: str, standing: Standing) -> Nodes:
        """The nodes of a host, and empty ones where it has none."""
        return dict.fromkeys(host_keys(hostname), b"") | _of_host(hostname, standing)

    def publish(self, changes: Nodes | None = None, *, serial: int | None = None) -> int:
        """Make a version with the given nodes changed."""
        before = dict(self.nodes)
        self.serial = self.serial + 1 if serial is None else serial
        for key, node in (changes or {}).items():
            self.nodes[key] = node
            if not node:
                del self.nodes[key]
        self._set_apex()
        keys = sorted(before.keys() | self.nodes.keys())
        listed = [
            NodeChange(key, before.get(key, b""), self.nodes.get(key, b""))
            for key in keys
            if before.get(key) != self.nodes.get(key)
        ]
        self.steps.append((soa_of(before), self.soa, listed))
        return self.serial

    def register(self, hostname: str) -> int:
        return self.publish(self.host(hostname, Standing.REGISTERED))

    def suspend(self, hostname: str) -> int:
        return self.publish(self.host(hostname, Standing.SUSPENDED))

    def remove(self, *hostnames: str) -> int:
        return self.publish(
            {key: b"" for name in hostnames for key in host_keys(name) if key in self.nodes}
        )

    def since(self, serial: int) -> list[tuple[bytes, bytes, list[NodeChange]]] | None:
        """The versions that lead from a serial to the newest; None: the journal has not all."""
        for number, (before, _, _) in enumerate(self.steps):
            if int.from_bytes(before[-20:-16], "big") == serial:
                return self.steps[number:]
        return None

    def text(self) -> str:
        """The zone as a zone file."""
        lines = [f"$ORIGIN {NAME}."]
        for key, node in sorted(self.nodes.items()):
            owner = dns.name.Name([*labels_of(key), *dns.name.from_text(NAME).labels])
            for record in read_node(node):
                rdata = dns.rdata.from_wire(1, record.kind, record.rdata, 0, len(record.rdata))
                kind = dns.rdatatype.to_text(record.kind)
                lines.append(f"{owner} {record.ttl} IN {kind} {rdata.to_text()}")
        return "\n".join([*lines, ""])

    def _set_apex(self) -> None:
        apex = Apex(
            primary="ns.registry.example",
            mailbox="hostmaster@registry.example",
            nameservers=("ns.registry.example",),
            expire=self.expire,
        )
        self.nodes[APEX] = apex_node(apex, self.serial)
        total = NodeSum()
        for key, node in self.nodes.items():
            total.add(key, node)
        made = []
        if SUM in self.digests:
            made.append(digest_record(TTL, self.serial, SUM, SHAKE_SUM, total.digest()))
        if SIMPLE in self.digests:
            digest = simple_digest(WIRE, sorted(self.nodes.items()))
            made.append(digest_record(TTL, self.serial, SIMPLE, SHA384, digest))
        self.nodes[APEX] = apex_node(apex, self.serial, made)


def soa_of(nodes: Nodes) -> bytes:
    return next(one for one in split_node(nodes[APEX]) if kind_of(one) == SOA)


def _of_host(hostname: str, standing: Standing) -> Nodes:
    return dict(host_nodes(Listed(hostname, standing, reason="it sent spam"), TTL))
