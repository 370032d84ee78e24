"""A private Knot DNS: as a primary from a zone file, as a secondary, and signing on the way."""

from __future__ import annotations

import subprocess

from tests.peers.dns_peer import DnsPeer, Peer


class Knot(DnsPeer):
    """One instance. ``zonemd`` is made anew where it signs."""

    program = "knotd"

    def command(self) -> list[str]:
        return ["/usr/sbin/knotd", "-c", str(self.configuration_file)]

    def configuration(self) -> str:
        settings = self.settings
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
            "    any: info",
            "database:",
            f"    storage: {self.directory}",
            # Address space of sparse files, not memory.
            "    journal-db-max-size: 40G",
            "    kasp-db-max-size: 64M",
            "    timer-db-max-size: 64M",
        ]
        if settings.keys:
            lines.append("key:")
        for key in settings.keys.values():
            lines += [
                f"  - id: {key.name}.",
                f"    algorithm: {key.algorithm}",
                f"    secret: {key.encoded}",
            ]
        return "\n".join([*lines, *self._peers(), *self._zones(), ""])

    def replace_zone(self, text: str, zone: str = "") -> None:
        """Put another zone file in place and load it: the difference is what is sent by IXFR."""
        self.zone_file_of(zone or self.zone).write_text(text)
        self.control("zone-reload", zone or self.zone)

    def change(self, *changes: str, zone: str = "") -> None:
        """Make changes in one transaction: "set OWNER [TTL] TYPE RDATA" or "unset OWNER …".

        The serial grows by one.
        """
        zone = zone or self.zone
        lines = [f"zone-begin {zone}"]
        for change in changes:
            verb, _, rest = change.partition(" ")
            lines.append(f"zone-{verb} {zone} {rest}")
        lines.append(f"zone-commit {zone}")
        for line in lines:
            self.control(*line.split(" "))

    def control(self, *arguments: str) -> str:
        """Run knotc and wait until what it asked for is done."""
        done = subprocess.run(
            ["knotc", "-b", "-s", str(self.directory / "knot.sock"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr + done.stdout + self.log()
        return done.stdout

    def _peers(self) -> list[str]:
        settings = self.settings
        lines = []
        for prefix, peers in (("primary", settings.primaries), ("notified", settings.notify)):
            for number, peer in enumerate(peers):
                lines += [
                    f"  - id: {prefix}{number}",
                    f"    address: {peer.address}@{peer.port}",
                    *_key(peer),
                ]
        if lines:
            lines.insert(0, "remote:")
        rules = []
        for number, peer in enumerate(settings.primaries):
            rules += [f"  - id: notify{number}", f"    address: {peer.address}"]
            rules += [*_key(peer), "    action: notify"]
        for key in settings.transfer_keys:
            rules += [f"  - id: transfer-{key.name}", f"    key: {key.name}."]
            rules += ["    action: transfer"]
        if rules:
            rules.insert(0, "acl:")
        return lines + rules

    def _zones(self) -> list[str]:
        settings = self.settings
        acl = [f"notify{number}" for number in range(len(settings.primaries))]
        acl += [f"transfer-{key.name}" for key in settings.transfer_keys]
        masters = [f"primary{number}" for number in range(len(settings.primaries))]
        notified = [f"notified{number}" for number in range(len(settings.notify))]
        lines = ["policy:", "  - id: signing", "    algorithm: ECDSAP256SHA256", "zone:"]
        for zone in settings.zones:
            lines += [
                f"  - domain: {zone}",
                f"    file: {self.zone_file_of(zone)}",
                "    journal-content: all",
                # The default would hold a zone of 3 million names, and 20 changes.
                "    journal-max-usage: 30G",
                "    journal-max-depth: 10000",
            ]
            lines += [f"    acl: [{', '.join(acl)}]"] if acl else []
            lines += [f"    notify: [{', '.join(notified)}]"] if notified else []
            if masters:
                lines += [f"    master: [{', '.join(masters)}]"]
                lines += ["    zonefile-load: none", "    zonefile-sync: -1"]
            else:
                lines += ["    zonefile-load: difference", "    zonefile-sync: -1"]
                lines += ["    serial-policy: increment"]
            if settings.sign:
                lines += ["    dnssec-signing: on", "    dnssec-policy: signing"]
                lines += ["    zonemd-generate: zonemd-sha384"]
        return lines


def _key(peer: Peer) -> list[str]:
    return [] if peer.key is None else [f"    key: {peer.key.name}."]
