"""A secondary of a few lines on dnspython: takes NOTIFY by UDP, and tells its serial."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from countersign.registry.transfer.keys import TsigKey
from tests.registrar.primary.running import keyring


class FakeSecondary(asyncio.DatagramProtocol):
    """Answers what the test lets it answer."""

    def __init__(self, zone: str) -> None:
        self.zone = dns.name.from_text(zone)
        self.keys: dict[dns.name.Name, object] = {}
        self.deaf = 0
        """So many datagrams are lost first."""
        self.refuse = False
        self.serial: int | None = None
        """What it says that it has; None: it says nothing."""
        self.notified: list[int] = []
        """Serials of all NOTIFY messages that came, those too that were lost."""
        self.asked = 0
        self.sources: set[str] = set()
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def know(self, key: TsigKey) -> None:
        self.keys.update(keyring(key))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sources.add(addr[0])
        message = dns.message.from_wire(data, keyring=self.keys)
        assert message.had_tsig
        is_notify = message.opcode() == dns.opcode.NOTIFY
        if is_notify:
            [[soa]] = message.answer
            self.notified.append(soa.serial)
        else:
            self.asked += 1
        if self.deaf:
            self.deaf -= 1
            return
        answer = dns.message.make_response(message)
        if self.refuse:
            answer.set_rcode(dns.rcode.NOTAUTH)
        elif not is_notify:
            if self.serial is None:
                return
            text = f'"v=countersign1; serial={self.serial}; url=https://registrar.example"'
            rdata = dns.rdata.from_text("IN", "TXT", text)
            answer.answer.append(dns.rrset.from_rdata(self.zone, 60, rdata))
        answer.flags |= dns.flags.AA
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@contextlib.asynccontextmanager
async def fake_secondary(zone: str) -> AsyncIterator[FakeSecondary]:
    """Let one listen on a free port."""
    loop = asyncio.get_running_loop()
    _, made = await loop.create_datagram_endpoint(
        lambda: FakeSecondary(zone), local_addr=("127.0.0.1", 0)
    )
    try:
        yield made
    finally:
        made.close()
