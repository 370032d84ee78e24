"""The registry as a DNS name list (RFC 5782 §2.2; DESIGN §7).

``<hostname>.<zone>``: A 127.0.0.2 and TXT for a server with sending privileges; TXT alone for
a suspended one. Any other A record is an overload or refusal answer, never 'registered'.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

from countersign.registry.dns_client import CachingClient, ResolutionFailedError
from countersign.registry.list_texts import ABSENT, Facts, facts_of
from countersign.registry.lookup import RegistryEntry, RegistryUnavailableError
from countersign.registry.zone.content import may_be_server

_MAX_NAME = 253


class NameListRegistry:
    """Looks hostnames up in a zone."""

    def __init__(self, zone: str, client: CachingClient) -> None:
        self._zone = zone.strip(".").lower()
        self._client = client

    async def look_up(self, hostname: str) -> RegistryEntry:
        """Return the entry of a normalised hostname."""
        name = f"{hostname}.{self._zone}"
        is_possible = may_be_server(hostname) and len(name) <= _MAX_NAME
        return RegistryEntry(hostname, *(await self._ask(name) if is_possible else ABSENT))

    async def _ask(self, name: str) -> Facts:
        try:
            addresses, texts = await asyncio.gather(
                self._client.ask(name, "A"), self._client.ask(name, "TXT")
            )
        except ResolutionFailedError as error:
            raise RegistryUnavailableError(str(error)) from error
        facts = facts_of(
            [IPv4Address(record.address).packed for record in addresses.data],
            (b"".join(record.strings) for record in texts.data),
        )
        if facts is ABSENT and not (addresses.is_certain and texts.is_certain):
            raise RegistryUnavailableError("the list's server gave an empty answer without SOA")
        return facts

    async def aclose(self) -> None:
        """Nothing is kept open."""
