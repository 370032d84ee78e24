"""The receiving listener of one worker."""

from __future__ import annotations

from ipaddress import ip_network

from countersign.gateway.backend.interface import Backend
from countersign.gateway.backend.proxy import ProxyBackend
from countersign.gateway.backend.settings import BackendKind
from countersign.gateway.config import Config
from countersign.gateway.metrics import Metrics
from countersign.gateway.parts import Parts
from countersign.gateway.receiving.answering import Answering
from countersign.gateway.receiving.maildir import MaildirBackend
from countersign.gateway.receiving.session import ReceivingSession
from countersign.gateway.receiving.verifier import Verifier
from countersign.protocol.server_settings import ServerSettings
from countersign.rules.network import in_networks
from countersign.transport.session import ListeningService, ServerSession
from countersign.transport.stream import Stream


class ReceivingService(ListeningService):
    """Receives mail for the backend."""

    name = "receiving"
    metrics: Metrics

    def __init__(self, parts: Parts) -> None:
        settings = parts.config.receiving
        super().__init__(
            parts.metrics,
            max_connections=settings.max_connections,
            max_per_network=settings.max_connections_per_network,
        )
        self.parts = parts
        self.settings = settings
        self.own_addresses = _own_addresses(parts.config)
        self.server_settings = ServerSettings(
            start_tls=True,
            verification=True,
            control_token=settings.control_token,
            session_id_length=parts.config.verification.session_id_length,
            max_text_line=settings.max_text_line,
            max_message_size=settings.max_message_size,
            max_recipients=settings.max_recipients,
            max_errors=settings.max_errors,
        )
        self.backend = _make_backend(parts.config)
        self.verifier = Verifier(
            parts.config, parts.registry, parts.resolver, parts.client_tls, self.own_addresses
        )
        self.answering = Answering(parts.config.verification, parts.tables, parts.secret)
        self._allowed = tuple(ip_network(network) for network in settings.allow)

    async def start(self) -> None:
        """Begin to watch deadlines, and learn what the backend can do."""
        await super().start()
        await self.backend.start()

    async def drain(self, timeout: float) -> None:
        """Let dialogues finish, then release the backend."""
        await super().drain(timeout)
        await self.backend.close()

    def make_session(self, stream: Stream) -> ServerSession:
        """Return the session of a new connection."""
        return ReceivingSession(self, stream)

    def is_allowed(self, client_address: str) -> bool:
        """Tell whether the operator's allow list names a client."""
        return bool(self._allowed) and in_networks(client_address, self._allowed)

    def is_exempt(self, client_address: str) -> bool:
        """Allow-listed clients are above the limit for their network."""
        return self.is_allowed(client_address)


def _make_backend(config: Config) -> Backend:
    settings = config.receiving.backend
    if settings.kind is BackendKind.MAILDIR:
        return MaildirBackend(settings, config.hostname)
    return ProxyBackend(settings, config.hostname)


def _own_addresses(config: Config) -> frozenset[str]:
    listening = (endpoint.rpartition(":")[0].strip("[]") for endpoint in config.receiving.listen)
    return frozenset(listening) | frozenset(config.sending.source_addresses)
