"""Where a battery is run from: source addresses or a SOCKS5 proxy, and a resolver of its own."""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import Iterator

from python_socks import ProxyConnectionError, ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from countersign.certification.settings import Standing
from countersign.registry.dns_client import DnsClient
from countersign.transport.conversation import Conversation, ConversationError, connect
from countersign.transport.resolver import Resolver
from countersign.transport.stream import Stream

_DNS_TIMEOUT = 3.0
_DNS_LIFETIME = 10.0
_UNREACHABLE = (3, 4)
_REFUSED = 5
"""Replies of a SOCKS5 proxy."""


class Standpoint:
    """Resolves names and opens connections, for any number of batteries at one time."""

    def __init__(self, standing: Standing) -> None:
        self.networks = standing.networks
        self.resolver = Resolver(
            DnsClient(standing.nameservers, timeout=_DNS_TIMEOUT, lifetime=_DNS_LIFETIME)
        )
        self._socks = standing.socks
        self._sources = {
            is_ipv6: _in_turn([one for one in standing.sources if (":" in one) is is_ipv6])
            for is_ipv6 in (False, True)
        }

    def next_source(self, address: str) -> str:
        """Return the local address whose turn it is to connect to an address; empty: any."""
        return next(self._sources[":" in address])

    async def connect(
        self, address: str, port: int, *, timeout: float, source: str = ""
    ) -> Conversation:
        """Connect to an address, never to a name; the greeting is not read yet.

        timeout: seconds, also for each reply. source: see :meth:`next_source`, which is asked
        where it is empty; a proxy connects from where it will. Raises :class:`ConversationError`.
        """
        if self._socks:
            return await self._connect_by_socks(address, port, timeout)
        source = source or self.next_source(address)
        return await connect(
            address, port, local_address=source or None, timeout=timeout, reply_timeout=timeout
        )

    async def _connect_by_socks(self, address: str, port: int, timeout: float) -> Conversation:
        host, _, proxy_port = self._socks.rpartition(":")
        proxy = Proxy(ProxyType.SOCKS5, host.strip("[]"), int(proxy_port), rdns=False)
        try:
            async with asyncio.timeout(timeout):
                raw = await proxy.connect(address, port)
                loop = asyncio.get_running_loop()
                _, stream = await loop.create_connection(Stream, sock=raw)
        except (ProxyError, OSError) as error:
            raise ConversationError("no connection through the proxy") from _cause(error)
        return Conversation(stream, lmtp=False, reply_timeout=timeout)


def _cause(error: ProxyError | OSError) -> Exception:
    """Return what would have gone wrong without a proxy (RFC 1928 §6).

    What is wrong with the proxy itself must not look like something that the server did.
    """
    if isinstance(error, ProxyConnectionError):
        return ProxyError("the SOCKS5 proxy cannot be reached")
    if isinstance(error, ProxyError) and error.error_code == _REFUSED:
        return ConnectionRefusedError("refused, says the proxy")
    if isinstance(error, ProxyError) and error.error_code in _UNREACHABLE:
        return OSError(errno.EHOSTUNREACH, "unreachable, says the proxy")
    return error


def _in_turn(sources: list[str]) -> Iterator[str]:
    return itertools.cycle(sources or [""])
