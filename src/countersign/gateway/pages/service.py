"""The pages' server: a task of the clerk's process, beside its others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable

import structlog
import uvicorn

from countersign.gateway.config import Config
from countersign.gateway.metrics import Metrics
from countersign.gateway.pages.address import site_of, uses_tls
from countersign.gateway.pages.app import make_app
from countersign.gateway.pages.connections import Connection
from countersign.gateway.pages.parts import PagesParts
from countersign.gateway.pages.sessions import Sessions
from countersign.gateway.secret import SecretError
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.sources.opening import open_source
from countersign.gateway.tls import TlsError, users_context
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.tables import SubmissionTables

log = structlog.get_logger()

FINISHING_SECONDS = 5
"""How long a stop waits for requests that have begun."""
MAX_CONNECTIONS = 500
_BACKLOG = 128
_MAX_HEADER = 16 * 1024
"""Octets of a request's first line and header."""


async def serve(
    config: Config,
    tables: SubmissionTables,
    accounts: Accounts,
    journal: Journal,
    *,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Serve the pages until cancelled; what is being answered then is brought to its end.

    metrics: of this process, if it has others. clock: seconds since the epoch. Raises
    :class:`OSError` if the address cannot be had, and
    :class:`~countersign.gateway.tls.TlsError`.
    """
    try:
        listener = _listen(config.pages.listen)
    except OSError as error:
        log.error("pages not served", listen=config.pages.listen, reason=error.strerror)
        raise
    with contextlib.closing(listener):
        try:
            tls = users_context(config) if uses_tls(config) else None
            async with _sign_in(config, tables, accounts, metrics, clock) as sign_in:
                # A password changed elsewhere is not heard of here: no sign-in outlasts it longer.
                lasting = min(config.pages.session_seconds, config.sign_in.lapse_seconds)
                sessions = Sessions(lasting, clock)
                site = site_of(config)
                parts = PagesParts(
                    config, site, tables, accounts, journal, sign_in, sessions, clock
                )
                log.info("pages served", url=site.origin, listen=config.pages.listen)
                await _run(_server(parts, tls), listener)
        except (TlsError, SecretError) as error:
            log.error("pages not served", listen=config.pages.listen, reason=str(error))
            raise


class _Server(uvicorn.Server):
    """Leaves signals to the process, which has other tasks to end."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Capture none."""
        return contextlib.nullcontext()


def _server(parts: PagesParts, tls: ssl.SSLContext | None) -> _Server:
    return _Server(
        uvicorn.Config(
            make_app(parts),
            http=Connection,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            # `trusted_proxies` is the pages' own affair.
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=_MAX_HEADER,
            timeout_graceful_shutdown=FINISHING_SECONDS,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
    )


async def _run(server: _Server, listener: socket.socket) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


@contextlib.asynccontextmanager
async def _sign_in(
    config: Config,
    tables: SubmissionTables,
    accounts: Accounts,
    metrics: Metrics | None,
    clock: Callable[[], float],
) -> AsyncIterator[SignIn]:
    source = open_source(config, accounts)
    sign_in = SignIn(config.sign_in, source, tables, metrics or Metrics(), clock=clock)
    await sign_in.start()
    try:
        yield sign_in
    finally:
        await sign_in.aclose()


def _listen(endpoint: str) -> socket.socket:
    host, _, port = endpoint.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    # The protocol is named: asyncio sends without delay only on sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host.strip("[]"), int(port)))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
