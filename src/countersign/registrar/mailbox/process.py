"""The mailbox's process: wires its parts, and runs them until it is told to stop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from countersign.certification.mailbox import (
    Limits,
    ListenError,
    TestMailbox,
    TlsError,
    server_context,
)
from countersign.certification.mailbox.sender import SenderTests
from countersign.registrar.beside.program import Ready, stopping
from countersign.registrar.mailbox.keeping import Keeping
from countersign.registrar.mailbox.metrics import MailboxMetrics
from countersign.registrar.opening import OpeningError
from countersign.registrar.operations.office import Office

log = structlog.get_logger()

_THREADS = 4
_NO_LISTENER = (
    "certification.mailbox.listen is empty: name the address to which the MX of "
    "certification.foreign_domain leads"
)
_ADVICE = (
    "ports below 1024 need root or CAP_NET_BIND_SERVICE; where another program listens, choose "
    "another address"
)


def run_mailbox(
    office: Office,
    *,
    ready: Ready,
    registry: CollectorRegistry | None = None,
    lifeline: int | None = None,
) -> None:
    """Receive mail until it is time to stop; see `beside/program.py`.

    Raises :class:`OpeningError`.
    """
    settings = office.config.certification.mailbox
    if not settings.listen:
        raise OpeningError(_NO_LISTENER)
    try:
        uvloop.run(_run(office, ready, MailboxMetrics(registry), lifeline))
    except ListenError as error:
        raise OpeningError(f"certification.mailbox.listen {error}; {_ADVICE}") from error
    except TlsError as error:
        raise OpeningError(f"certification.mailbox.certificate: {error}") from error
    log.info("mailbox has stopped")


async def _run(office: Office, ready: Ready, metrics: MailboxMetrics, lifeline: int | None) -> None:
    certification = office.config.certification
    settings = certification.mailbox
    tls = server_context(settings.hostname, settings.certificate)
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mailbox")
    keeping = Keeping(office, threads, metrics)
    mailbox = TestMailbox(
        settings.listen,
        certification.foreign_domain,
        settings.hostname,
        keeping.deliver,
        keeping.knows,
        tls=tls,
        limits=Limits(connections=settings.connections, size=settings.size),
        senders=keeping,
        sender_tests=SenderTests(certification.battery(), certification.standing()),
        counting=metrics,
    )
    try:
        async with stopping(lifeline) as stop, mailbox:
            log.info("mailbox serves", domain=mailbox.domain, listen=mailbox.addresses)
            ready(mailbox.addresses)
            await stop.wait()
    finally:
        # What is being written is finished; the client was not told 250 and sends it again.
        threads.shutdown(wait=True, cancel_futures=True)
