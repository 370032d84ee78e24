"""What is decided about a user reaches the connections that are open (DESIGN §5)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from countersign.gateway.submission.passing import Sender, Submitted
from countersign.gateway.submission.passwords import make_credentials
from countersign.protocol.reply import Reply
from countersign.storage.submission.account_rows import Deed, EventKind, NewUser
from countersign.storage.submission.entries import Front
from countersign.storage.submission.tables import Lock, LockReason
from countersign.transport.stream import StreamClosedError
from tests.gateway.submission.site import PASSWORD, Site, client_of, submission_site
from tests.peers.postfix import Postfix

RECIPIENT = "to1@alpha.example"
OTHER = "quite another pass phrase 9"


def deed() -> Deed:
    return Deed("test", time.time())


async def password(site: Site) -> None:
    await site.submission.accounts.set_password("alice", make_credentials(OTHER, 4096), deed())


async def disable(site: Site) -> None:
    await site.submission.accounts.set_disabled("alice", True, deed())


async def disable_for_a_moment(site: Site) -> None:
    await disable(site)
    await site.submission.accounts.set_disabled("alice", False, deed())


async def remove(site: Site) -> None:
    await site.submission.accounts.remove("alice", deed())


async def remove_and_add(site: Site) -> None:
    await remove(site)
    user = NewUser("alice", credentials=make_credentials(PASSWORD, 4096))
    await site.submission.accounts.add([user], deed(), EventKind.ADDED)


async def unlock(site: Site) -> None:
    lock = Lock("alice", LockReason.ADMINISTRATOR, time.time(), words="stolen")
    assert await site.submission.tables.lock(lock)
    assert await site.submission.tables.unlock("alice", forget=True, now=time.time())


@pytest.mark.peer
@pytest.mark.parametrize(
    "decide", [password, disable, disable_for_a_moment, remove, remove_and_add, unlock]
)
async def test_who_is_signed_in_has_to_sign_in_again(
    tmp_path: Path, mta: Postfix, decide: Callable[[Site], Awaitable[None]]
) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        assert (await client.send(RECIPIENT)).code == 250
        await decide(site)
        counted = await site.used()
        answer = await client.say("MAIL FROM:<alice@alpha.example>")
        assert (answer.code, answer.enhanced, answer.text) == (421, "4.7.0", "Sign in again")
        with pytest.raises((StreamClosedError, ConnectionError, EOFError)):
            await client.say("NOOP")
        assert await site.used() == counted
        assert site.metric("refusals_total", reason="sign-in-lapsed") == 1


@pytest.mark.peer
async def test_who_has_the_new_password_goes_on(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        await password(site)
        await unlock(site)
        async with client_of(site.port, user=None) as client:
            assert (await client.sign_in()).code == 535
            assert (await client.sign_in(password=OTHER)).code == 235
            assert (await client.send(RECIPIENT)).code == 250


@pytest.mark.peer
async def test_what_does_not_concern_the_sign_in_does_not_end_it(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        accounts = site.submission.accounts
        await accounts.set_limits("alice", 10, 20, deed())
        await accounts.add([NewUser("bob", credentials=make_credentials(OTHER, 4096))], deed())
        await accounts.set_password("bob", make_credentials(PASSWORD, 4096), deed())
        kept = await accounts.credentials("alice")
        assert kept is not None
        assert await accounts.renew("alice", kept.argon2_hash, make_credentials(PASSWORD, 5000))
        assert (await client.send(RECIPIENT)).code == 250


async def test_a_password_changed_while_the_old_one_is_checked_ends_the_sign_in(
    tmp_path: Path,
) -> None:
    async with submission_site(tmp_path) as site:
        desk = site.submission.desk
        start = await desk.sign_in_begins()
        await password(site)
        answer = await desk.open("alice", start)
        assert isinstance(answer, Reply)
        assert answer.code == 421
        assert isinstance(await desk.open("alice", await desk.sign_in_begins()), Sender)


@pytest.mark.peer
async def test_a_sign_in_lapses_between_messages(tmp_path: Path, mta: Postfix) -> None:
    lapse = {"lapse_seconds": 0.000_001}
    async with (
        submission_site(tmp_path, mta.listen, sign_in=lapse) as site,
        client_of(site.port) as client,
    ):
        assert (await client.say("MAIL FROM:<alice@alpha.example>")).code == 421


def message(sender: Sender) -> Submitted:
    header = b"From: alice@alpha.example\r\n"
    return Submitted(sender, "192.0.2.1", 7, 10, header, b"x" * 32, Front.LISTENER)


@pytest.mark.parametrize("decide", [password, disable, remove, unlock])
async def test_nobody_keeps_a_transaction_open_for_later(
    tmp_path: Path, decide: Callable[[Site], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with submission_site(tmp_path) as site:
        desk = site.submission.desk
        sender = await desk.open("alice", await desk.sign_in_begins())
        assert isinstance(sender, Sender)
        uptime = time.monotonic() + 31
        monkeypatch.setattr(desk, "_uptime", lambda: uptime)
        await decide(site)
        answer = await desk.accept(message(sender))
        assert isinstance(answer, Reply)
        assert answer.code == 421
        assert await site.used() == 0
        assert (await site.submission.journal.verify()).rows == 0


async def test_a_long_message_passes_though_the_sign_in_lapses_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with submission_site(tmp_path) as site:
        desk = site.submission.desk
        sender = await desk.open("alice", await desk.sign_in_begins())
        assert isinstance(sender, Sender)
        uptime = time.monotonic() + 4000
        monkeypatch.setattr(desk, "_uptime", lambda: uptime)
        assert not isinstance(await desk.accept(message(sender)), Reply)


async def test_a_long_message_is_stamped_as_the_user_stands_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with submission_site(tmp_path, stamp={"user": True}) as site:
        desk = site.submission.desk
        sender = await desk.open("alice", await desk.sign_in_begins())
        assert isinstance(sender, Sender)
        uptime = time.monotonic() + 31
        monkeypatch.setattr(desk, "_uptime", lambda: uptime)
        named = await desk.accept(message(sender))
        await site.submission.accounts.set_stamping("alice", False, deed())
        unnamed = await desk.accept(message(sender))
        assert not isinstance(named, Reply) and b"alice" in named.added[-1]
        assert not isinstance(unnamed, Reply) and b"alice" not in unnamed.added[-1]
