"""A private Unbound: a validating resolver that asks given servers for given zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.peers import dns_questions
from tests.peers.dns_peer import DnsPeer


class Unbound(DnsPeer):
    """One instance. It knows no root servers: only the zones it was given."""

    program = "unbound"

    def __init__(
        self,
        stubs: Mapping[str, str],
        *,
        trust_anchors: Sequence[str] = (),
        listen: str = "",
        keep_seconds: int = 0,
        clock: str = "",
    ) -> None:
        """``stubs``: zone to ADDRESS:PORT of a server that has it; ``trust_anchors``: DS or DNSKEY.

        ``keep_seconds``: the longest time that an answer is kept.
        """
        super().__init__(*stubs, listen=listen, clock=clock)
        self._stubs = stubs
        self._trust_anchors = trust_anchors
        self._keep_seconds = keep_seconds

    def command(self) -> list[str]:
        return ["/usr/sbin/unbound", "-d", "-p", "-c", str(self.configuration_file)]

    def configuration(self) -> str:
        lines = [
            "server:",
            f"    interface: {self.address}@{self.port}",
            '    username: ""',
            '    chroot: ""',
            '    logfile: ""',
            "    use-syslog: no",
            "    val-log-level: 2",
            f'    directory: "{self.directory}"',
            '    pidfile: ""',
            "    num-threads: 1",
            "    do-not-query-localhost: no",
            "    access-control: 0.0.0.0/0 allow",
            "    access-control: ::/0 allow",
            f"    cache-max-ttl: {self._keep_seconds}",
            f"    cache-max-negative-ttl: {self._keep_seconds}",
            '    module-config: "validator iterator"',
            "    unblock-lan-zones: yes",
        ]
        lines += [f'    trust-anchor: "{anchor}"' for anchor in self._trust_anchors]
        lines += [f'    local-zone: "{zone}" nodefault' for zone in self._stubs]
        lines += ["remote-control:", "    control-enable: no"]
        for zone, endpoint in self._stubs.items():
            address, port = dns_questions.split(endpoint)
            lines += ["stub-zone:", f'    name: "{zone}"', f"    stub-addr: {address}@{port}"]
        return "\n".join([*lines, ""])
