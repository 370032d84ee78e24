from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from countersign.demo.dns_server import DnsServer
from countersign.registrar.operations.office import Office
from tests.dns_thread import dns_in_a_thread
from tests.registrar.api.programs import Desk


@pytest.fixture
def desk(office: Office) -> Desk:
    """The API on the office's data."""
    return Desk(office)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS that a test fills."""
    with dns_in_a_thread() as server:
        yield server


@pytest.fixture
def desk_with_dns(office: Office, dns: DnsServer) -> Desk:
    """The API of an office that asks the test's DNS."""
    certification = office.config.certification.model_copy(update={"nameservers": (dns.endpoint,)})
    config = office.config.model_copy(update={"certification": certification})
    return Desk(dataclasses.replace(office, config=config))
