"""A private NSD: as a primary from a zone file, or as a secondary."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from countersign.registry.transfer.keys import TsigKey
from tests.peers.dns_peer import DnsPeer

ANYWHERE = ("0.0.0.0/0", "::/0")


PROCESSES = 3
"""One for transfers, one that waits for its children, and one child that answers."""


class Nsd(DnsPeer):
    """One instance. It does not sign."""

    program = "nsd"

    def is_settled(self) -> bool:
        """Whether no former process is left, which would answer from a former copy."""
        return len(self._processes()) == PROCESSES

    def command(self) -> list[str]:
        return ["/usr/sbin/nsd", "-d", "-c", str(self.configuration_file)]

    def configuration(self) -> str:
        settings = self.settings
        assert not settings.sign, "NSD does not sign"
        lines = [
            "server:",
            f"    ip-address: {self.address}@{self.port}",
            '    username: ""',
            '    chroot: ""',
            '    database: ""',
            f'    zonesdir: "{self.directory}"',
            f'    pidfile: "{self.directory}/nsd.pid"',
            f'    zonelistfile: "{self.directory}/zone.list"',
            f'    xfrdfile: "{self.directory}/xfrd.state"',
            f'    xfrdir: "{self.directory}"',
            f'    cookie-secret-file: "{self.directory}/cookies"',
            "    server-count: 1",
            "    tcp-count: 100",
            "    verbosity: 2",
            "remote-control:",
            "    control-enable: yes",
            f'    control-interface: "{self.directory}/nsd.ctl"',
        ]
        for key in settings.keys.values():
            lines += [
                "key:",
                f'    name: "{key.name}"',
                f"    algorithm: {key.algorithm}",
                f'    secret: "{key.encoded}"',
            ]
        for zone in settings.zones:
            lines += ["zone:", f'    name: "{zone}"', f'    zonefile: "{self.zone_file_of(zone)}"']
            lines += self._transfers()
        return "\n".join([*lines, ""])

    def _processes(self) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(int(path.name)) == self.process_id:
                    found.append(int(path.name))
        return found

    def _transfers(self) -> list[str]:
        settings = self.settings
        lines = []
        for peer in settings.primaries:
            key = _name(peer.key)
            lines += [
                f"    request-xfr: {peer.address}@{peer.port} {key}",
                f"    allow-notify: {peer.address} {key}",
            ]
        for allowed in settings.transfer_keys:
            lines += [f"    provide-xfr: {network} {allowed.name}" for network in ANYWHERE]
        if settings.transfer_keys:
            lines += ["    store-ixfr: yes"]
        lines += [
            f"    notify: {peer.address}@{peer.port} {_name(peer.key)}" for peer in settings.notify
        ]
        return lines


def _name(key: TsigKey | None) -> str:
    return "NOKEY" if key is None else key.name
