"""Zones of nodes, and the same zones as dnspython sees them: the foreign implementation."""

from __future__ import annotations

from collections.abc import Iterable

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone

from countersign.registry.lookup import Standing
from countersign.registry.zone.content import (
    Apex,
    Listed,
    address_key,
    address_node,
    apex_node,
    host_nodes,
    test_nodes,
)
from countersign.registry.zone.names import APEX, labels_of
from countersign.registry.zone.records import read_node

ZONE = "registry.example"
APEX_FACTS = Apex("ns1.example.net", "host.master@example.net", ("ns1.example.net", "ns2.example"))


def small_zone(serial: int = 7, digests: Iterable[bytes] = ()) -> dict[bytes, bytes]:
    """Return a zone with everything in it."""
    nodes = dict(test_nodes(300))
    for server in (
        Listed(
            "mail.example.org",
            Standing.REGISTERED,
            pins=("3 1 1 " + "ab" * 32,),
            keys=(("s1", "v=DKIM1; k=ed25519; p=" + "A" * 300), ("2026.east", "v=DKIM1; p=AAAA")),
        ),
        Listed("mx.example.com", Standing.SUSPENDED, reason="It sent spam; to a trap"),
        Listed("a.b.c.example.com", Standing.REGISTERED),
    ):
        nodes |= dict(host_nodes(server, 300))
    for address in ("192.0.2.1", "2001:db8::25"):
        nodes[address_key(address)] = address_node(address, ["mail.example.org"], 300)
    nodes[APEX] = apex_node(APEX_FACTS, serial, tuple(digests))
    return nodes


def as_dnspython(nodes: dict[bytes, bytes], zone: str = ZONE) -> dns.zone.Zone:
    """Return nodes as a zone of dnspython."""
    made = dns.zone.Zone(dns.name.from_text(zone), relativize=False)
    for key, node in nodes.items():
        owner = dns.name.Name(labels_of(key)).derelativize(made.origin)
        for found in read_node(node):
            kind = dns.rdatatype.RdataType.make(found.kind)
            rdata = dns.rdata.from_wire(dns.rdataclass.IN, kind, found.rdata, 0, len(found.rdata))
            rdataset = made.find_rdataset(owner, kind, rdata.covers(), create=True)
            rdataset.add(rdata, found.ttl)
    return made
