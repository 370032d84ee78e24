"""A name server in a thread, and an office that asks it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

from countersign.demo.dns_server import DnsServer
from countersign.registrar.operations.office import Office


@contextlib.contextmanager
def name_server() -> Iterator[DnsServer]:
    """Give a name server that runs."""
    server = DnsServer("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def asking(office: Office, server: DnsServer) -> Office:
    """Return the same office with another resolver."""
    settings = office.config.certification.model_copy(update={"nameservers": (server.endpoint,)})
    config = office.config.model_copy(update={"certification": settings})
    return replace(office, config=config)
