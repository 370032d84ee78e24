"""The outbox: the registrar away and coming back, refusals, crashes at the worst moment."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

from countersign.gateway.registrar_link.courier import HOLD_SECONDS, MAX_BACK_OFF, Courier
from countersign.registrar.documents.text import Kind, current
from countersign.rules.access import Scope
from countersign.storage.submission.account_rows import Deed, EventKind, Privilege
from countersign.storage.submission.accounts import Accounts
from tests.gateway.users.registrar import OFFENDER, Registrar

VERSION = current(Kind.PRIVILEGED_USER_AGREEMENT)
QUESTION = {"purpose": "A new user.", "name": OFFENDER[0], "birth_date": OFFENDER[1]}


def deed() -> Deed:
    return Deed("root", time.time())


async def grant(accounts: Accounts, user: str, version: str = VERSION) -> Privilege:
    privilege = Privilege(f"{user}-random", "2026-03-01", version)
    await accounts.grant(user, privilege, deed())
    return privilege


async def number(accounts: Accounts, user: str) -> int | None:
    found = await accounts.find(user)
    return found.privilege.number if found and found.privilege else None


class Later:
    """A clock that is moved on."""

    def __init__(self) -> None:
        self.moved = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved


async def test_what_waits_is_delivered_when_the_registrar_is_back(
    accounts: Accounts, registrar: Registrar
) -> None:
    clock = Later()
    for user in ("alice", "bob", "carl"):
        await grant(accounts, user)
    async with registrar.client() as client:
        courier = Courier(accounts, client, clock=clock)
        assert await courier.deliver_due() == 0
        assert "cannot be asked" in courier.trouble
        # One was tried; the others are not, as long as nobody is there.
        assert [one.words != "" for one in await accounts.orders.waiting()] == [True, False, False]
        assert await courier.deliver_due() == 0
        assert (await accounts.facts("alice")).is_privileged
        registrar.start()
        clock.moved = MAX_BACK_OFF
        assert await courier.deliver_due() == 3
        assert courier.trouble == ""
    assert len(registrar.users()) == 3
    assert {await number(accounts, user) for user in ("alice", "bob", "carl")} == {
        one.id for one in registrar.users()
    }


async def test_the_running_courier_finds_what_another_process_queues(
    accounts: Accounts, registrar: Registrar, tmp_path: Path
) -> None:
    registrar.start()
    other = Accounts(tmp_path / "submission")
    async with registrar.client() as client:
        running = asyncio.create_task(Courier(accounts, client).run(look_seconds=0.02))
        await grant(other, "alice")
        async with asyncio.timeout(30):
            while await number(other, "alice") is None:
                await asyncio.sleep(0.02)
        running.cancel()
    await other.aclose()
    assert len(registrar.users()) == 1


async def test_the_end_of_a_privilege_is_told_too(accounts: Accounts, registrar: Registrar) -> None:
    registrar.start()
    async with registrar.client() as client:
        courier = Courier(accounts, client)
        await grant(accounts, "alice")
        await courier.deliver_due()
        await accounts.revoke("alice", deed())
        await courier.deliver_due()
    assert registrar.users() == []
    assert len(registrar.users(revoked=True)) == 1
    assert not await accounts.orders.waiting()


async def test_what_the_registrar_has_ended_already_is_ended(
    accounts: Accounts, registrar: Registrar
) -> None:
    registrar.start()
    async with registrar.client() as client:
        courier = Courier(accounts, client)
        await grant(accounts, "alice")
        await courier.deliver_due()
        registrar.revoke(registrar.users()[0].id)
        await accounts.revoke("alice", deed())
        assert await courier.deliver_due() == 1
    assert not await accounts.orders.waiting()


async def test_a_refusal_withdraws_the_privilege_and_is_to_be_told(
    accounts: Accounts, registrar: Registrar
) -> None:
    registrar.start()
    await grant(accounts, "alice", version="1999-1")
    async with registrar.client() as client:
        assert await Courier(accounts, client).deliver_due() == 1
    assert not (await accounts.facts("alice")).is_privileged
    [event] = await accounts.untold()
    assert event.kind is EventKind.REFUSED
    assert "no such version" in event.words


async def test_a_wrong_token_withdraws_nothing(accounts: Accounts, registrar: Registrar) -> None:
    registrar.start()
    for token in ("wrong", registrar.desk.token(registrar.owner, Scope.READ_MONEY)):
        registrar.token_file.write_text(token)
        user = f"user{len(token)}"
        await grant(accounts, user)
        async with registrar.client() as client:
            assert await Courier(accounts, client).deliver_due() == 0
        assert (await accounts.facts(user)).is_privileged
    assert len(await accounts.orders.waiting()) == 2
    assert not await accounts.untold()


async def test_registered_once_though_the_registrar_has_forgotten_the_key(
    accounts: Accounts, registrar: Registrar
) -> None:
    registrar.start()
    privilege = await grant(accounts, "alice")
    async with registrar.client() as client:
        # As if the answer had been lost more than 24 hours ago.
        made = await client.register_user(privilege.identifier, "2026-03-01", VERSION, key="old")
        assert await Courier(accounts, client).deliver_due() == 1
    assert await number(accounts, "alice") == made.id
    assert len(registrar.users()) == 1


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.registrar_link.courier import Courier
from countersign.gateway.submission.settings import RegistrarLink
from countersign.storage.submission.accounts import Accounts

async def main():
    directory, url, token, hostname = sys.argv[1:]
    accounts = Accounts(Path(directory))

    async def killed(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    # The registrar has answered; nothing of it is noted yet.
    accounts.orders.registered = killed
    link = RegistrarLink(url=url, token_file=token)
    async with RegistrarClient(link, hostname) as client:
        await Courier(accounts, client).deliver_due()

asyncio.run(main())
"""


async def test_a_courier_killed_between_sending_and_noting_registers_exactly_one(
    accounts: Accounts, registrar: Registrar, tmp_path: Path
) -> None:
    registrar.start()
    await grant(accounts, "alice")
    arguments = (tmp_path / "submission", registrar.url, registrar.token_file, "mail.users.com.au")
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, *arguments], check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    [sent] = registrar.users()
    assert await number(accounts, "alice") is None
    clock = Later()
    async with registrar.client() as client:
        courier = Courier(accounts, client, clock=clock)
        assert await courier.deliver_due() == 0
        clock.moved = HOLD_SECONDS + 1
        assert await courier.deliver_due() == 1
    assert [one.id for one in registrar.users()] == [sent.id]
    assert await number(accounts, "alice") == sent.id


async def test_many_couriers_at_once_register_each_user_once(
    accounts: Accounts, registrar: Registrar, tmp_path: Path
) -> None:
    registrar.start()
    names = [f"user{one}" for one in range(12)]
    for name in names:
        await grant(accounts, name)
    others = [Accounts(tmp_path / "submission") for _ in range(3)]
    async with registrar.client() as client:
        couriers = [Courier(one, client) for one in (accounts, *others)]
        ended = await asyncio.gather(*(one.deliver_due() for one in couriers))
    assert sum(ended) == 12
    assert sorted(one.identifier for one in registrar.users()) == sorted(
        f"{name}-random" for name in names
    )
    for one in others:
        await one.aclose()


async def test_a_queued_question_is_answered_told_and_forgotten(
    accounts: Accounts, registrar: Registrar, tmp_path: Path
) -> None:
    registrar.start()
    registrar.record_offender()
    await accounts.orders.ask("max", QUESTION, deed())
    async with registrar.client() as client:
        assert await Courier(accounts, client).deliver_due() == 1
    [event] = await accounts.untold()
    assert (event.kind, event.user) == (EventKind.OFFENDER_ANSWERED, "max")
    assert event.details == {"level": "barred", "month": "2025-11"}
    files = (tmp_path / "submission").glob("users.db*")
    assert not any(b"Spammer" in file.read_bytes() for file in files)


async def test_a_question_waits_while_there_are_no_more_questions_today(
    accounts: Accounts, registrar: Registrar
) -> None:
    registrar.start()
    async with registrar.client() as client:
        for one in range((await client.me()).questions_left):
            await client.ask_offender(QUESTION, key=f"k{one}")
        await accounts.orders.ask("max", QUESTION, deed())
        courier = Courier(accounts, client)
        assert await courier.deliver_due() == 0
        assert "questions in 24 hours" in courier.trouble
    assert len(await accounts.orders.waiting()) == 1
    assert not await accounts.untold()


async def test_a_question_that_is_refused_is_told_and_forgotten(
    accounts: Accounts, registrar: Registrar
) -> None:
    registrar.start()
    await accounts.orders.ask("max", {"purpose": "x", "name": "Max"}, deed())
    async with registrar.client() as client:
        assert await Courier(accounts, client).deliver_due() == 1
    [event] = await accounts.untold()
    assert event.kind is EventKind.REFUSED
