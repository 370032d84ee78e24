"""The sending side of one worker."""

from __future__ import annotations

from countersign.gateway.metrics import Metrics
from countersign.gateway.parts import Parts
from countersign.gateway.sending.delivery import Delivery
from countersign.gateway.sending.pool import Pool
from countersign.gateway.sending.session import SendingSession
from countersign.protocol.server_settings import ServerSettings
from countersign.transport.session import ListeningService, ServerSession
from countersign.transport.stream import Stream


class SendingService(ListeningService):
    """Sends the MTA's mail to receivers."""

    name = "sending"
    metrics: Metrics

    def __init__(self, parts: Parts) -> None:
        settings = parts.config.sending
        super().__init__(parts.metrics, max_connections=settings.max_connections)
        self.parts = parts
        self.server_settings = ServerSettings(
            lmtp=True,
            max_text_line=1_000_000,
            max_message_size=settings.max_message_size,
            max_recipients=settings.max_recipients,
        )
        self._pool = Pool(parts)
        self.delivery = Delivery(parts, self._pool)

    async def start(self) -> None:
        """Begin to watch deadlines and idle connections."""
        await super().start()
        await self._pool.start()

    async def drain(self, timeout: float) -> None:
        """Finish what is being sent, then close all connections to receivers."""
        await super().drain(timeout)
        await self._pool.stop()

    def make_session(self, stream: Stream) -> ServerSession:
        """Return the session of a new connection."""
        return SendingSession(self, stream)
