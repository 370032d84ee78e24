"""Names and addresses for the gateway: what the DNS says of hosts and domains."""

from __future__ import annotations

import asyncio

from countersign.registry.dns_client import DnsClient, Records, ResolutionFailedError

__all__ = ["NameNotFoundError", "ResolutionFailedError", "Resolver"]


class NameNotFoundError(Exception):
    """The name does not exist (NXDOMAIN)."""


class Resolver:
    """Asks for addresses and mail exchangers."""

    def __init__(self, client: DnsClient) -> None:
        self.client = client

    async def addresses(self, hostname: str, *, fresh: bool = False) -> list[str]:
        """Return a host's addresses, IPv6 first; empty if it has none.

        One family's failure is none while the other answers with addresses.
        ``fresh``: past our own cache. Raises :class:`NameNotFoundError` and
        :class:`ResolutionFailedError`.
        """
        results = await asyncio.gather(
            self.client.ask(hostname, "AAAA", fresh=fresh),
            self.client.ask(hostname, "A", fresh=fresh),
            return_exceptions=True,
        )
        answers = [result for result in results if isinstance(result, Records)]
        addresses = [record.address for answer in answers for record in answer.data]
        if addresses:
            return addresses
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if not any(answer.exists for answer in answers):
            raise NameNotFoundError(hostname)
        return []

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        """Return (preference, host) pairs; empty if the domain has no MX record.

        Raises :class:`NameNotFoundError` and :class:`ResolutionFailedError`.
        """
        answer = await self.client.ask(domain, "MX")
        if not answer.exists:
            raise NameNotFoundError(domain)
        return [(record.preference, record.exchange.to_text()) for record in answer.data]
