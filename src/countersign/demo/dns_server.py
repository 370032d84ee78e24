"""A small authoritative DNS server on a loopback address, for the demo and for tests.

It answers for whatever names it is given, and misbehaves by name where it is told to.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from enum import StrEnum
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

NEGATIVE_TTL = 1
"""Seconds for which a 'no' may be kept."""


class Behaviour(StrEnum):
    """How a name is answered other than truly."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"
    """No answer: the asker times out."""
    LAME = "lame"
    """An empty answer without authority, as of a server that knows nothing of the zone."""


class DnsServer:
    """Answers over UDP and TCP."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.questions: Counter[tuple[str, str]] = Counter()
        """How often each (name, type) was asked for."""
        self._records: dict[tuple[str, str], dns.rrset.RRset] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    @property
    def endpoint(self) -> str:
        """ADDRESS:PORT."""
        return f"{self.address}:{self.port}"

    async def start(self) -> None:
        """Listen; port 0 takes one that is free for both UDP and TCP. Raises :class:`OSError`."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve_tcp, self.address, self.port)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(self.address, self.port)
        )

    async def stop(self) -> None:
        """Stop listening."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()

    def set(self, name: str, kind: str, *data: str, ttl: int = 0) -> None:
        """Give a name records of one type, in place of those it had; ``ttl`` in seconds."""
        key = _key(name, kind)
        self._records[key] = dns.rrset.from_text(f"{key[0]}.", ttl, "IN", kind, *data)

    def remove(self, name: str) -> None:
        """Take a name's records and behaviour away."""
        for key in [key for key in self._records if key[0] == _key(name, "")[0]]:
            del self._records[key]
        self._behaviours.pop(_key(name, "")[0], None)

    def misbehave(self, name: str, behaviour: Behaviour) -> None:
        """Answer for a name as told, whatever its records."""
        self._behaviours[_key(name, "")[0]] = behaviour

    def answer(self, wire: bytes) -> bytes | None:
        """Return the answer to a question on the wire, or None for silence."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        name, kind = _key(question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
        self.questions[name, kind] += 1
        match self._behaviours.get(name):
            case Behaviour.SILENT:
                return None
            case Behaviour.SERVFAIL:
                response.set_rcode(dns.rcode.SERVFAIL)
            case Behaviour.REFUSED:
                response.set_rcode(dns.rcode.REFUSED)
            case Behaviour.LAME:
                response.flags &= ~dns.flags.AA
            case _:
                self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: Any, name: str, kind: str) -> None:
        alias = self._records.get((name, "CNAME"))
        if alias is not None and kind != "CNAME":
            response.answer.append(alias)
            name = _key(alias[0].target.to_text(), kind)[0]
        records = self._records.get((name, kind))
        if records is not None:
            response.answer.append(records)
            return
        if not any(known == name or known.endswith(f".{name}") for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        soa = f"ns.invalid. hostmaster.invalid. 1 3600 600 86400 {NEGATIVE_TTL}"
        response.authority.append(
            dns.rrset.from_text(name.rpartition(".")[2] + ".", NEGATIVE_TTL, "IN", "SOA", soa)
        )

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size))
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data)
        if answer is not None:
            self._transport.sendto(answer, addr)


def _key(name: str, kind: str) -> tuple[str, str]:
    return name.lower().rstrip("."), kind
