"""The submission listeners of one worker."""

from __future__ import annotations

import socket

from countersign.gateway.backend.proxy import ProxyBackend
from countersign.gateway.metrics import Metrics
from countersign.gateway.parts import Parts
from countersign.gateway.submission.session import SubmissionSession
from countersign.protocol.server_settings import ServerSettings
from countersign.transport.session import ListeningService, ServerSession
from countersign.transport.stream import Stream
from countersign.transport.tls_listener import TlsListener

_MAX_RECIPIENTS = 10_000
"""Of one message, also for users without a limit: what a transaction may keep in memory."""

_MAX_COMMANDS_BEFORE_SIGN_IN = 50
"""Lines, those of AUTH's exchanges among them: enough for some passwords that are wrong."""


class SubmissionService(ListeningService):
    """Takes users' mail; TLS begins with STARTTLS (RFC 6409)."""

    name = "submission"
    metrics: Metrics

    def __init__(self, parts: Parts) -> None:
        """``parts`` must have those of submission."""
        settings = parts.config.submission
        super().__init__(
            parts.metrics,
            max_connections=settings.max_connections,
            max_per_network=settings.max_connections_per_network,
        )
        if parts.submission is None:
            raise ValueError("submission is not enabled")
        self.parts = parts
        self.submission = parts.submission
        self.settings = settings
        self.spools = parts.submission.spools
        self.backend = ProxyBackend(settings.backend, parts.config.hostname)

    async def start(self) -> None:
        """Begin to watch deadlines, open the source, and learn what the backend can do."""
        await super().start()
        await self.submission.start()
        await self.backend.start()

    async def drain(self, timeout: float) -> None:
        """Let dialogues finish, then release the backend."""
        await super().drain(timeout)
        await self.backend.close()

    def make_session(self, stream: Stream) -> ServerSession:
        """Return the session of a new connection."""
        return SubmissionSession(self, stream)

    def server_settings(self) -> ServerSettings:
        """Return what a dialogue allows; what the source can do may change while we run."""
        return ServerSettings(
            start_tls=True,
            mechanisms=self.submission.sign_in.mechanisms,
            requires_sign_in=True,
            max_message_size=self.settings.max_message_size,
            max_recipients=_MAX_RECIPIENTS,
            max_errors=self.settings.max_errors,
            max_commands_before_sign_in=_MAX_COMMANDS_BEFORE_SIGN_IN,
        )


class SubmissionsService(SubmissionService):
    """Takes users' mail inside TLS from the first octet (RFC 8314 §3.3)."""

    name = "submissions"

    def listen(self, listener: socket.socket) -> TlsListener:
        """Begin to accept the connections of a listening socket."""
        return TlsListener(
            listener,
            self.submission.tls,
            admit=self.admit_handshake,
            connected=self.connected,
        )
