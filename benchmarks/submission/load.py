"""Load as mail programs make it: TLS, AUTH, several messages on a connection, pipelined."""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.gateway.world import client_tls

MESSAGES_PER_CONNECTION = 10
_WORDS = ("meeting", "report", "please", "find", "the", "attached", "figures", "next", "week")


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent in one round."""

    messages: int
    size: int
    """Octets of a message's body."""
    at_once: int
    """Connections at one time."""
    user: str = "user"
    password: str = "secret"
    signs_in: bool = True


def make_message(size: int, sender: str) -> bytes:
    """Return a message as a mail program writes it, with CRLF; the same for the same size."""
    source = random.Random(size)
    lines, octets = [], 0
    while octets < size:
        line = " ".join(source.choices(_WORDS, k=11))
        lines.append(line)
        octets += len(line) + 2
    header = (
        f"Date: Mon, 01 Jun 2026 09:00:00 +0000\r\nFrom: A User <{sender}>\r\n"
        "To: Somebody Else <somebody@elsewhere.example>\r\nSubject: The figures of last week\r\n"
        "Message-ID: <figures@local.example>\r\nMIME-Version: 1.0\r\n"
        "User-Agent: Some Mail Program 128.0\r\nContent-Language: en-GB\r\n"
        "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    )
    return header.encode() + "\r\n".join(lines).encode() + b"\r\n"


async def send_all(endpoint: str, load: Load, *, sender: str = "user@local.example") -> float:
    """Send a round; return the seconds it took. Raises :class:`RuntimeError` if one is refused."""
    message = make_message(load.size, sender)
    remaining = iter(range(load.messages))
    started = time.perf_counter()
    await asyncio.gather(
        *(_client(endpoint, load, sender, message, remaining) for _ in range(load.at_once))
    )
    return time.perf_counter() - started


async def _client(
    endpoint: str, load: Load, sender: str, message: bytes, remaining: Iterator[int]
) -> None:
    while turn := list(itertools.islice(remaining, MESSAGES_PER_CONNECTION)):
        await _connection(endpoint, load, sender, message, len(turn))


async def _connection(endpoint: str, load: Load, sender: str, message: bytes, count: int) -> None:
    host, _, port = endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def expect(code: bytes, octets: bytes = b"") -> None:
        if octets:
            writer.write(octets)
        while True:
            line = await reader.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith(code):
            raise RuntimeError(f"not accepted: {octets[:40]!r}: {line!r}")

    await expect(b"220")
    await expect(b"250", b"EHLO client.example\r\n")
    await expect(b"220", b"STARTTLS\r\n")
    await writer.start_tls(client_tls())
    await expect(b"250", b"EHLO client.example\r\n")
    if load.signs_in:
        secret = base64.b64encode(f"\0{load.user}\0{load.password}".encode())
        await expect(b"235", b"AUTH PLAIN " + secret + b"\r\n")
    begin = f"MAIL FROM:<{sender}>\r\nRCPT TO:<somebody@elsewhere.example>\r\nDATA\r\n".encode()
    for _ in range(count):
        await expect(b"250", begin)
        await expect(b"250")
        await expect(b"354")
        await expect(b"250", message + b".\r\n")
    await expect(b"221", b"QUIT\r\n")
    writer.close()
