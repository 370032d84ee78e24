"""Knot as an operator would run it for such a zone: no journal of what a zone file has already."""

from __future__ import annotations

import time

from tests.peers import dns_questions
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
