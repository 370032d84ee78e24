from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator

import pytest

from countersign.demo.dns_server import DnsServer
from countersign.registrar.operations.office import Office
from tests.registrar.api.programs import Desk


@pytest.fixture
def desk(office: Office) -> Desk:
    """The API on the office's data."""
    return Desk(office)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS that a test fills; it runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = DnsServer("127.0.0.1", 0)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def desk_with_dns(office: Office, dns: DnsServer) -> Desk:
    """The API of an office that asks the test's DNS."""
    certification = office.config.certification.model_copy(update={"nameservers": (dns.endpoint,)})
    config = office.config.model_copy(update={"certification": certification})
    return Desk(dataclasses.replace(office, config=config))
