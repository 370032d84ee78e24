"""Does a host name exist in the DNS, with an address? Asked before an application is submitted."""

from __future__ import annotations

import asyncio

from countersign.registrar.config import Certification
from countersign.registry.dns_client import DnsClient
from countersign.transport.resolver import NameNotFoundError, Resolver

_TIMEOUT = 3.0
_LIFETIME = 8.0


def has_address(hostname: str, settings: Certification) -> bool:
    """Tell whether a host has an address now, past any cache of ours; takes seconds at most.

    Not for a thread with an event loop. Raises :class:`ResolutionFailedError` if the DNS does
    not answer: that is no 'no'.
    """

    async def ask() -> bool:
        client = DnsClient(settings.nameservers, timeout=_TIMEOUT, lifetime=_LIFETIME)
        try:
            return bool(await Resolver(client).addresses(hostname, fresh=True))
        except NameNotFoundError:
            return False

    return asyncio.run(ask())
