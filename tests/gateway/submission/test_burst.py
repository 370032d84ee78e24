"""Thieves and ordinary users at one time, on the wire, against two workers and the clerk."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections import Counter
from pathlib import Path

import pytest

from countersign.demo.servers import OrdinaryServer, listen
from countersign.gateway.metrics import Metrics
from countersign.protocol.reply import Reply
from countersign.protocol.server import OK
from countersign.storage.submission.opening import open_submission_tables
from tests.gateway.submission.process import submission_gateway
from tests.gateway.submission.site import add_user, client_of
from tests.gateway.world import free_port

ORDINARY = [f"user{number}@alpha.example" for number in range(8)]
THEFTS = {
    # Connections at one time, messages of each, recipients of a message.
    "one-fast@alpha.example": (1, 12, 50),
    "many-at-once@alpha.example": (12, 3, 50),
    "many-small@alpha.example": (12, 30, 1),
    "some-odd@alpha.example": (6, 12, 7),
}


class Mta:
    """Counts the recipients of each user's messages; keeps letters."""

    def __init__(self) -> None:
        self.recipients: Counter[str] = Counter()
        self.letters: list[str] = []

    async def deliver(self, sender: str, recipients: list[str], content: bytes) -> Reply:
        if sender == "<>":
            letter = email.message_from_bytes(content, policy=email.policy.SMTP)
            self.letters.append(str(letter["Subject"]))
        else:
            self.recipients[sender.strip("<>")] += len(recipients)
        return OK


async def send(address: str, port: int, user: str, messages: int, recipients: int) -> int:
    """Send by one connection; return how many messages passed."""
    passed = 0
    async with client_of(port, address=address, user=user) as client:
        people = [f"to{number}@elsewhere.example" for number in range(recipients)]
        for _ in range(messages):
            passed += (await client.send(*people, sender=user)).code == 250
    return passed


@pytest.mark.slow
async def test_bursts_of_thieves_end_at_300_and_others_send_on(tmp_path: Path) -> None:
    mta, port = Mta(), free_port()
    service = OrdinaryServer("mta.example", Metrics(), mta.deliver)
    server = await listen(service, "127.0.0.1", port)
    for user in (*ORDINARY, *THEFTS):
        await add_user(tmp_path / "state", user)
    async with submission_gateway(tmp_path, f"127.0.0.1:{port}", workers=2) as gateway:
        where = (gateway.address, gateway.port)
        by_users = [send(*where, user, 5, 1 + number) for number, user in enumerate(ORDINARY)]
        by_thieves = [
            send(*where, user, messages, recipients)
            for user, (connections, messages, recipients) in THEFTS.items()
            for _ in range(connections)
        ]
        passed = await asyncio.gather(*by_users, *by_thieves)
        assert passed[: len(ORDINARY)] == [5] * len(ORDINARY)
        for user, (_, _, recipients) in THEFTS.items():
            assert mta.recipients[user] == 300 // recipients * recipients
        tables = open_submission_tables("", tmp_path / "state" / "submission")
        locks = await tables.locks()
        assert {lock.user for lock in locks} == set(THEFTS), "no false lock"
        async with asyncio.timeout(30):
            while await tables.untold():
                await asyncio.sleep(0.05)
        await tables.aclose()
    assert sorted(mta.letters) == sorted(f"Account locked: {user}" for user in THEFTS)
    server.close()
    await service.drain(1)
