"""A private rbldnsd: a server of name and address lists, which has no zone transfer."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tests.peers import dns_questions
from tests.peers.dns_peer import DnsPeer


class Rbldnsd(DnsPeer):
    """One instance that serves data sets from files.

    It answers over UDP only, so questions to it never go over TCP.
    """

    program = "rbldnsd"

    def __init__(
        self, zone: str, data: Mapping[str, str], *, listen: str = "", check_seconds: int = 1
    ) -> None:
        """``data``: kind of data set ("dnset", "ip4trie", "ip6trie", "generic") to its text.

        ``check_seconds``: how often it looks for changed files.
        """
        super().__init__(zone, listen=listen)
        # It refuses to run as root, so its user must be able to read this.
        self.directory.chmod(0o755)
        self._check_seconds = check_seconds
        self._kinds = tuple(data)
        for kind, text in data.items():
            self.write(kind, text)

    def write(self, kind: str, text: str) -> None:
        """Replace a data set as a whole."""
        new = self.directory / f"{kind}.new"
        new.write_text(text)
        new.rename(self.directory / kind)

    def configuration(self) -> str:
        return "# rbldnsd has no configuration file.\n"

    def command(self) -> list[str]:
        user = ("-u", "nobody") if os.geteuid() == 0 else ()
        return [
            *("/usr/sbin/rbldnsd", "-n", *user, "-w", str(self.directory)),
            *("-b", f"{self.address}/{self.port}", "-c", f"{self._check_seconds}s"),
            *(f"{self.zone}:{kind}:{kind}" for kind in self._kinds),
        ]

    def _probe(self) -> None:
        dns_questions.ask(self.listen, self.zone, "SOA", seconds=1)
