"""The registry as a DNS name list (RFC 5782 §2.2; DESIGN §7).

``<hostname>.<zone>``: A 127.0.0.2 and TXT for a server with sending privileges; TXT alone for
a suspended one. Any other A record is an overload or refusal answer, never 'registered'.
TXT: ``v=countersign1; pin=3 1 1 HEX; reason=…``, or any text, which is then the reason.
"""

from __future__ import annotations

import asyncio

from countersign.registry.dns_client import CachingClient, ResolutionFailedError
from countersign.registry.list_texts import LISTED, fields_of, pins_of, reason_of
from countersign.registry.lookup import RegistryEntry, RegistryUnavailableError, Standing

_MAX_NAME = 253


class NameListRegistry:
    """Looks hostnames up in a zone."""

    def __init__(self, zone: str, client: CachingClient) -> None:
        self._zone = zone.strip(".").lower()
        self._client = client

    async def look_up(self, hostname: str) -> RegistryEntry:
        """Return the entry of a normalised hostname."""
        name = f"{hostname}.{self._zone}"
        if len(name) > _MAX_NAME:
            return RegistryEntry(hostname, Standing.ABSENT)
        try:
            addresses, texts = await asyncio.gather(
                self._client.ask(name, "A"), self._client.ask(name, "TXT")
            )
        except ResolutionFailedError as error:
            raise RegistryUnavailableError(str(error)) from error
        found = {record.address for record in addresses.data}
        if found - {LISTED}:
            raise RegistryUnavailableError("the list answered with a code that is no listing")
        fields = fields_of(b"".join(record.strings) for record in texts.data)
        if found:
            return RegistryEntry(hostname, Standing.REGISTERED, pins_of(fields))
        if texts.data:
            return RegistryEntry(hostname, Standing.SUSPENDED, reason=reason_of(fields))
        if not (addresses.is_certain and texts.is_certain):
            raise RegistryUnavailableError("the list's server gave an empty answer without SOA")
        return RegistryEntry(hostname, Standing.ABSENT)

    async def aclose(self) -> None:
        """Nothing is kept open."""
