"""A registry's zone for programs that use it without any plug-in, served by Knot."""

from __future__ import annotations

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
from countersign.registry.zone.names import APEX
from tests.peers.knot import Knot
from tests.registry.zone.zones import ZONE, as_dnspython

REGISTERED, NAMED, STRANGER = "192.0.2.10", "192.0.2.20", "192.0.2.30"
"""Known by its address; by its name in the DNS alone; not at all."""
NAME, OTHER_NAME = "mail.example.org", "mx.example.com"


def serve_registry(listen: str = "", *, signing_key: str = "") -> Knot:
    """Return a Knot, not started yet, with the zone and the reverse names of the clients.

    signing_key: a line of the zone file of example.org.
    """
    nodes = dict(test_nodes(300))
    for name in (NAME, OTHER_NAME):
        nodes |= dict(host_nodes(Listed(name, Standing.REGISTERED), 300))
    nodes[address_key(REGISTERED)] = address_node(REGISTERED, [NAME], 300)
    nodes[APEX] = apex_node(Apex("localhost", "host@example.org", ("localhost",)), 1)
    knot = Knot(
        *(ZONE, "192.in-addr.arpa", "example.com", "example.org", "everybody.example"),
        listen=listen,
        zone_text=as_dnspython(nodes).to_text(),
    )
    head = "@ 300 SOA localhost. host.localhost. 1 300 60 9000 60\n@ 300 NS localhost.\n"
    for zone, text in (
        ("192.in-addr.arpa", f"20.2.0 300 PTR {OTHER_NAME}.\n"),
        ("example.com", f"mx 300 A {NAMED}\n"),
        ("example.org", f"mail 300 A {REGISTERED}\n{signing_key}"),
        # A block list that names every address.
        ("everybody.example", "* 300 A 127.0.0.2\n"),
    ):
        knot.zone_file_of(zone).write_text(head + text)
    return knot


def parts_of(snippet: str) -> dict[str, str]:
    """Cut a printed text into its files: name to content."""
    parts: dict[str, str] = {}
    name = ""
    for line in snippet.splitlines():
        if line.startswith("# --- "):
            name = line.split()[2].rpartition("/")[2]
        parts[name] = parts.get(name, "") + line + "\n"
    return parts
