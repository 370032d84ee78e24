"""The milter of one worker."""

from __future__ import annotations

from ipaddress import ip_network

from countersign.gateway.metrics import Metrics
from countersign.gateway.milter.ending import PROGRESS_SECONDS
from countersign.gateway.milter.session import MilterSession
from countersign.gateway.parts import Parts
from countersign.gateway.submission.names import ProvenNames
from countersign.rules.network import in_networks
from countersign.transport.session import ListeningService
from countersign.transport.stream import Stream


class MilterService(ListeningService):
    """Answers the MTA's questions about its users' messages."""

    name = "milter"
    metrics: Metrics

    def __init__(self, parts: Parts, *, progress_seconds: float = PROGRESS_SECONDS) -> None:
        """``progress_seconds``: between words to an MTA that waits for a decision."""
        self.settings = parts.config.milter
        super().__init__(parts.metrics, max_connections=self.settings.max_connections)
        if parts.submission is None:
            raise AssertionError("a milter without the parts of submission")
        self.hostname = parts.config.hostname
        self.desk = parts.submission.desk
        self.progress_seconds = progress_seconds
        self.names = ProvenNames(parts.config.sign_in)
        self._sign_in = parts.submission.sign_in
        self._clients = [ip_network(network) for network in self.settings.clients]

    def connected(self, stream: Stream) -> None:
        """Begin a session, unless somebody else than our MTAs asks."""
        address, _ = stream.peer()
        if address and not in_networks(address, self._clients):
            self.metrics.refusal("not-our-mta")
            stream.close()
            return
        super().connected(stream)

    def turn_away(self, stream: Stream) -> None:
        """End a connection for which there is no room: to the MTA its filter is away."""
        stream.close()

    def make_session(self, stream: Stream) -> MilterSession:
        """Return the session of a new connection."""
        return MilterSession(self, stream)

    async def count_in_clear(self, client_address: str) -> None:
        """Count a client that signed in outside TLS."""
        if client_address:
            await self._sign_in.in_clear(client_address)
        else:
            self.metrics.signed_in("in-clear")
