"""The registry as a DNS name list (RFC 5782 §2.2; DESIGN §7).

``<hostname>.<zone>``: A 127.0.0.2 and TXT for a server with sending privileges; TXT alone for
a suspended one. Any other A record is an overload or refusal answer, never 'registered'.
TXT: ``v=countersign1; pin=3 1 1 HEX; reason=…``, or any text, which is then the reason.
"""

from __future__ import annotations

import asyncio

from countersign.registry.dns_client import CachingClient, Records, ResolutionFailedError
from countersign.registry.file import parse_pin
from countersign.registry.lookup import (
    KeyPin,
    RegistryEntry,
    RegistryUnavailableError,
    Standing,
)

LISTED = "127.0.0.2"
_MAX_TEXT = 4096
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
        fields = _fields(texts)
        if found:
            return RegistryEntry(hostname, Standing.REGISTERED, _pins(fields))
        if texts.data:
            return RegistryEntry(hostname, Standing.SUSPENDED, reason=_reason(fields))
        if not (addresses.is_certain and texts.is_certain):
            raise RegistryUnavailableError("the list's server gave an empty answer without SOA")
        return RegistryEntry(hostname, Standing.ABSENT)

    async def aclose(self) -> None:
        """Nothing is kept open."""


def _fields(texts: Records) -> list[tuple[str, str]]:
    fields = []
    for record in texts.data:
        text = b"".join(record.strings)[:_MAX_TEXT].decode("utf-8", "replace")
        if not text.startswith("v=countersign1"):
            fields.append(("reason", text))
            continue
        for part in text.split(";"):
            name, _, value = part.strip().partition("=")
            fields.append((name.lower(), value.strip()))
    return fields


def _pins(fields: list[tuple[str, str]]) -> tuple[KeyPin, ...]:
    try:
        return tuple(parse_pin(value) for name, value in fields if name == "pin")
    except ValueError as error:
        # An unreadable pin must not weaken the check to 'no pin'.
        raise RegistryUnavailableError(f"the list holds a bad pin: {error}") from None


def _reason(fields: list[tuple[str, str]]) -> str:
    return next((value for name, value in fields if name == "reason"), "")
