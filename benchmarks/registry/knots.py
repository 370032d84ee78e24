"""Knot as an operator would run it for such a zone: no journal of what a zone file has already."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import dns.update
from tests.peers import dns_questions
from tests.peers.dns_peer import Peer
from tests.peers.knot import Knot

_POLL_SECONDS = 0.01


class LoadingKnot(Knot):
    """A Knot that answers at once, while it still loads: from a zone file, or from a primary."""

    def configuration(self) -> str:
        lines = [
            "server:",
            f"    rundir: {self.directory}",
            "    user: root:root",
            f"    listen: {self.address}@{self.port}",
            "    udp-workers: 1",
            "    tcp-workers: 1",
            "    async-start: on",
            "log:",
            "  - target: stderr",
            "    any: info",
            "database:",
            f"    storage: {self.directory}",
            "    journal-db-max-size: 40G",
        ]
        for key in self.settings.keys.values():
            lines += ["key:", f"  - id: {key.name}.", f"    algorithm: {key.algorithm}"]
            lines += [f"    secret: {key.encoded}"]
        zone = ["zone:", f"  - domain: {self.zone}", f"    file: {self.zone_file}"]
        zone += ["    journal-content: none"]
        for peer in self.settings.primaries:
            assert peer.key is not None
            lines += ["remote:", "  - id: primary", f"    address: {peer.address}@{peer.port}"]
            lines += [f"    key: {peer.key.name}."]
            # As it does by default: what it has transferred is written to a zone file afterwards.
            zone += ["    master: primary", "    zonefile-load: whole", "    zonefile-sync: 0"]
        if not self.settings.primaries:
            zone += ["    zonefile-load: whole", "    zonefile-sync: -1"]
        return "\n".join([*lines, *zone, ""])

    def wait_until_loaded(self, seconds: float) -> None:
        """Wait until it answers for the zone. Raises :class:`RuntimeError`."""
        deadline = time.monotonic() + seconds
        while dns_questions.soa_serial(self.listen, self.zone) is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"knotd has not loaded the zone:\n{self.log()[-2000:]}")
            time.sleep(_POLL_SECONDS)


class UpdatedKnot(Knot):
    """A primary that programs of this host change by dynamic updates (RFC 2136)."""

    def configuration(self) -> str:
        rule = "acl:\n  - id: update\n    address: 127.0.0.1\n    action: update\npolicy:"
        text = super().configuration().replace("policy:", rule, 1)
        if "    acl: [" in text:
            return text.replace("    acl: [", "    acl: [update, ", 1)
        return text.replace("    journal-max-depth:", "    acl: update\n    journal-max-depth:", 1)

    def update(self, messages: Sequence[dns.update.UpdateMessage]) -> None:
        """Send updates one behind the other; return when all are made."""
        wires = [message.to_wire() for message in messages]
        with socket.create_connection((self.address, self.port), timeout=60) as connection:
            for wire in wires:
                connection.sendall(len(wire).to_bytes(2) + wire)
            for _ in wires:
                size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL))
                answer = connection.recv(size, socket.MSG_WAITALL)
                if answer[3] & 15:
                    raise RuntimeError(f"knotd refused an update: rcode {answer[3] & 15}")


class SecondaryKnot(Knot):
    """A secondary of several zones, each with a primary of its own."""

    def __init__(self, primaries: dict[str, Peer]) -> None:
        """primaries: by the zone's name."""
        super().__init__(*primaries)
        self._primaries = primaries

    def know(self, zone: str, primary: Peer) -> None:
        """Name the primary of a zone, before it is started."""
        self._primaries[zone] = primary

    def configuration(self) -> str:
        lines = [
            "server:",
            f"    rundir: {self.directory}",
            "    user: root:root",
            f"    listen: {self.address}@{self.port}",
            "    udp-workers: 1",
            "    tcp-workers: 1",
            "    background-workers: 1",
            "log:",
            "  - target: stderr",
            "    any: warning",
            "database:",
            f"    storage: {self.directory}",
        ]
        sections: dict[str, list[str]] = {"key": [], "remote": [], "acl": [], "zone": []}
        for number, (zone, peer) in enumerate(self._primaries.items()):
            assert peer.key is not None
            sections["key"] += [f"  - id: {peer.key.name}."]
            sections["key"] += [f"    algorithm: {peer.key.algorithm}"]
            sections["key"] += [f"    secret: {peer.key.encoded}"]
            sections["remote"] += [f"  - id: primary{number}"]
            sections["remote"] += [f"    address: {peer.address}@{peer.port}"]
            sections["remote"] += [f"    key: {peer.key.name}."]
            sections["acl"] += [f"  - id: notify{number}", f"    address: {peer.address}"]
            sections["acl"] += [f"    key: {peer.key.name}.", "    action: notify"]
            sections["zone"] += [f"  - domain: {zone}", f"    master: primary{number}"]
            sections["zone"] += [f"    acl: notify{number}", "    zonefile-load: none"]
            sections["zone"] += ["    zonefile-sync: -1", "    journal-content: changes"]
        for name, content in sections.items():
            lines += [f"{name}:", *content]
        return "\n".join([*lines, ""])
