"""What mail programs do to sign in, against anything that begins exchanges."""

from __future__ import annotations

from typing import Protocol

from scramp import ScramClient

from countersign.gateway.submission.sources.interface import (
    Challenge,
    Exchange,
    Rejected,
    SignedIn,
)

ADDRESS = "192.0.2.1"
Outcome = SignedIn | Rejected


class Begins(Protocol):
    def begin(self, mechanism: str, client_address: str) -> Exchange: ...


async def plain(
    source: Begins, user: str, password: str, address: str = ADDRESS, authorisation: str = ""
) -> Outcome:
    said = f"{authorisation}\0{user}\0{password}".encode()
    return ended(await source.begin("PLAIN", address).step(said))


async def login(
    source: Begins, user: str, password: str, address: str = ADDRESS, *, at_once: bool = False
) -> Outcome:
    exchange = source.begin("LOGIN", address)
    if not at_once:
        assert b"ser" in challenge(await exchange.step(None))
    result = await exchange.step(user.encode())
    return result if isinstance(result, Rejected) else ended(await exchange.step(password.encode()))


class Scram:
    """One dialogue of SCRAM-SHA-256, a step at a time."""

    def __init__(self, source: Begins, user: str, password: str, address: str = ADDRESS) -> None:
        self.client = ScramClient(["SCRAM-SHA-256"], user, password)
        self.exchange = source.begin("SCRAM-SHA-256", address)
        self.server_first = ""

    async def first(self) -> Rejected | None:
        result = await self.exchange.step(self.client.get_client_first().encode())
        if isinstance(result, Rejected):
            return result
        self.server_first = challenge(result).decode()
        self.client.set_server_first(self.server_first)
        return None

    async def prove(self) -> Outcome:
        result = await self.exchange.step(self.client.get_client_final().encode())
        if isinstance(result, Rejected):
            return result
        # The server proves itself too: with the last challenge, or with its word that all is well.
        self.client.set_server_final(result.octets.decode())
        return ended(await self.exchange.step(b"")) if isinstance(result, Challenge) else result


async def scram(source: Begins, user: str, password: str, address: str = ADDRESS) -> Outcome:
    dialogue = Scram(source, user, password, address)
    return await dialogue.first() or await dialogue.prove()


def challenge(result: Challenge | SignedIn | Rejected) -> bytes:
    assert isinstance(result, Challenge), result
    return result.octets


def ended(result: Challenge | SignedIn | Rejected) -> Outcome:
    assert not isinstance(result, Challenge)
    return result
