"""One question to several DNS servers, over UDP and, where truncated, TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.resolver
from dns.rdatatype import RdataType

from countersign.registry.dns_records import NotAuthenticError, ResolutionFailedError

Answer = TypeVar("Answer")

_MAX_PAYLOAD = 1232
"""Octets of a UDP answer that pass everywhere in one piece (RFC 9715)."""
_DNS_PORT = 53
_MEANINGFUL = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


class _NoServerLeftError(Exception):
    """Each server has failed in its own way."""


class DnsExchange:
    """Asks servers in turn until one gives an acceptable answer."""

    def __init__(
        self,
        nameservers: Sequence[str],
        *,
        timeout: float,
        lifetime: float,
        flags: int = 0,
        wants_dnssec: bool = False,
    ) -> None:
        """``nameservers``: ADDRESS:PORT or [IPV6]:PORT; none: those of /etc/resolv.conf.

        ``timeout`` for one server, ``lifetime`` for a whole question, in seconds; ``flags`` are
        added to the header; ``wants_dnssec`` sets DO. Raises :class:`ValueError`.
        """
        self._servers = [_parse(endpoint) for endpoint in nameservers] or _system_servers()
        self._timeout = timeout
        self._lifetime = lifetime
        self._flags = flags
        self._wants_dnssec = wants_dnssec

    async def ask(
        self,
        name: dns.name.Name,
        kind: RdataType,
        accept: Callable[[dns.message.QueryMessage], Awaitable[Answer]],
    ) -> Answer:
        """Return what ``accept`` makes of a response (see :class:`~.dnssec.asking.Ask`).

        Raises :class:`ResolutionFailedError`; :class:`NotAuthenticError` where a server gave an
        answer that was not accepted and no other server a better one.
        """
        failures: list[ResolutionFailedError] = []
        try:
            async with asyncio.timeout(self._lifetime):
                return await self._ask_in_turn(name, kind, accept, failures)
        except TimeoutError:
            failures.append(ResolutionFailedError("no DNS server answered in time"))
        except _NoServerLeftError:
            pass
        refused = [error for error in failures if isinstance(error, NotAuthenticError)]
        raise (refused or failures)[0]

    async def _ask_in_turn(
        self,
        name: dns.name.Name,
        kind: RdataType,
        accept: Callable[[dns.message.QueryMessage], Awaitable[Answer]],
        failures: list[ResolutionFailedError],
    ) -> Answer:
        """Ask each server until it answers or fails; one that only timed out is asked again."""
        waiting = list(self._servers)
        while waiting:
            for server in list(waiting):
                try:
                    response = await self._query(server, name, kind)
                    if response.rcode() in _MEANINGFUL:
                        return await accept(response)
                    failure = ResolutionFailedError(dns.rcode.to_text(response.rcode()))
                except dns.exception.Timeout:
                    continue
                except NotAuthenticError as error:
                    failure = error
                except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                    failure = ResolutionFailedError(type(error).__name__)
                failures.append(failure)
                waiting.remove(server)
        raise _NoServerLeftError

    async def _query(
        self, server: tuple[str, int], name: dns.name.Name, kind: RdataType
    ) -> dns.message.QueryMessage:
        address, port = server
        query = dns.message.make_query(
            name, kind, use_edns=0, payload=_MAX_PAYLOAD, want_dnssec=self._wants_dnssec
        )
        query.flags |= self._flags
        response, _ = await dns.asyncquery.udp_with_fallback(
            query,
            address,
            timeout=self._timeout,
            port=port,
            ignore_unexpected=True,
            ignore_errors=True,
        )
        if not isinstance(response, dns.message.QueryMessage):
            raise dns.exception.FormError
        return response


def _parse(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _system_servers() -> list[tuple[str, int]]:
    try:
        resolver = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration as error:
        raise ValueError("the system names no DNS server (/etc/resolv.conf)") from error
    return [(str(address), _DNS_PORT) for address in resolver.nameservers]
