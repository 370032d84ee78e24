"""The administrator is told of each lock once (DESIGN §5)."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.cli.submission_snippets import postfix_behind_listener
from countersign.gateway.clerk.posting import LetterRefusedError
from countersign.gateway.clerk.service import end_all
from countersign.protocol.reply import reply
from countersign.storage.submission.tables import Lock, LockReason
from tests.gateway.clerk.mta import Mta
from tests.gateway.clerk.setting import HOSTNAME, Stores, entry, make_config
from tests.gateway.submission.test_printed_postfix import options_of
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix
from tests.storage.test_tables import valkey_url  # noqa: F401 - a fixture


@pytest.fixture
async def mta() -> AsyncIterator[Mta]:
    mta = Mta(free_port())
    yield mta
    await mta.stop()


@pytest.fixture
async def stores(tmp_path: Path, mta: Mta) -> AsyncIterator[Stores]:
    stores = Stores(make_config(tmp_path, mta.endpoint))
    yield stores
    await stores.close()


async def test_a_lock_is_told_with_its_figures_and_how_to_unlock(mta: Mta, stores: Stores) -> None:
    await mta.start()
    lock = await stores.lock("alice@local.example")
    for number, address in enumerate(["192.0.2.7", "192.0.2.7", "2001:db8::9"]):
        await stores.journal.append(
            entry("alice@local.example", number, lock.since - 30, address, recipients=40)
        )
    await stores.journal.append(entry("alice@local.example", 8, lock.since - 7200, "192.0.2.99"))
    await stores.journal.append(entry("bob@local.example", 9, lock.since - 30, "192.0.2.88"))
    assert await stores.notices().tell_all() == 1
    [letter] = mta.letters
    assert mta.recipients == ["<admin@local.example>"]
    assert letter["Subject"] == "Account locked: alice@local.example"
    assert letter["Auto-Submitted"] == "auto-generated"
    text = letter.get_content()
    assert "24 hours before:  290" in text
    assert "refused message:  20" in text
    assert "limit in 24 hours:    300" in text
    assert "countersign users unlock alice@local.example" in text
    assert "192.0.2.7: 2 messages, 80 recipients" in text
    assert "2001:db8::9: 1 messages, 40 recipients" in text
    assert "192.0.2.99" not in text
    assert "192.0.2.88" not in text


async def test_a_lock_is_told_once(mta: Mta, stores: Stores) -> None:
    await mta.start()
    await stores.lock("alice@local.example")
    assert await stores.notices().tell_all() == 1
    assert await stores.notices().tell_all() == 0
    assert len(mta.letters) == 1


async def test_an_account_locked_again_is_told_again(mta: Mta, stores: Stores) -> None:
    await mta.start()
    await stores.lock("alice@local.example")
    await stores.notices().tell_all()
    assert await stores.tables.unlock("alice@local.example", forget=True, now=time.time())
    await stores.lock("alice@local.example")
    assert await stores.notices().tell_all() == 1
    assert len(set(mta.message_ids())) == 2


async def test_a_lock_by_the_administrator_is_not_told(mta: Mta, stores: Stores) -> None:
    await mta.start()
    await stores.tables.lock(Lock("alice@local.example", LockReason.ADMINISTRATOR, 1.0))
    assert await stores.notices().tell_all() == 0


async def test_a_lock_that_was_lifted_meanwhile_is_told_as_lifted(mta: Mta, stores: Stores) -> None:
    await mta.start()
    await stores.lock("alice@local.example")
    await stores.tables.unlock("alice@local.example", forget=True, now=time.time())
    assert await stores.notices().tell_all() == 1
    assert "has been lifted" in mta.letters[0].get_content()


async def test_a_user_with_an_odd_name_makes_no_odd_letter(mta: Mta, stores: Stores) -> None:
    await mta.start()
    name = 'józef\u00a0<x>,"y";bcc:z@example.org'
    await stores.lock(name)
    assert await stores.notices().tell_all() == 1
    [letter] = mta.letters
    assert letter["Subject"] == f"Account locked: {name}"
    assert letter["Bcc"] is None
    lines = letter.get_content().splitlines()
    assert f"  countersign users unlock {shlex.quote(name)}" in lines
    assert "ó" not in letter["Message-ID"]


async def test_nothing_is_told_while_the_mta_is_away_and_all_when_it_is_back(
    mta: Mta, stores: Stores
) -> None:
    await stores.lock("alice@local.example")
    with pytest.raises(LetterRefusedError):
        await stores.notices().tell_all()
    running = asyncio.create_task(stores.notices().run(look_seconds=0.05))
    await stores.lock("bob@local.example")
    await asyncio.sleep(0.2)
    await mta.start()
    await mta.wait_for(2)
    await stores.wait_until_told()
    running.cancel()
    assert len(set(mta.message_ids())) == 2


async def test_a_letter_that_is_refused_for_good_is_tried_again_and_holds_no_other_up(
    mta: Mta, stores: Stores
) -> None:
    await mta.start()
    mta.answer = reply(550, "5.7.1", "No")
    await stores.lock("alice@local.example")
    await stores.lock("bob@local.example")
    with pytest.raises(LetterRefusedError):
        await stores.notices().tell_all()
    assert len(await stores.tables.untold()) == 2
    mta.answer = reply(250, "2.0.0", "OK")
    assert await stores.notices().tell_all() == 2


async def test_hosts_of_a_farm_tell_once_together(
    mta: Mta,
    tmp_path: Path,
    valkey_url: str,  # noqa: F811
) -> None:
    await mta.start()
    hosts = []
    for number in range(3):
        directory = tmp_path / f"host{number}"
        directory.mkdir()
        hosts.append(Stores(make_config(directory, mta.endpoint, url=valkey_url)))
    running = [asyncio.create_task(host.notices().run(look_seconds=0.01)) for host in hosts]
    for number in range(20):
        await hosts[number % 3].lock(f"user{number}@local.example")
    await mta.wait_for(20)
    await hosts[0].wait_until_told()
    await end_all(running)
    for host in hosts:
        await host.close()
    assert Counter(mta.message_ids()).most_common(1)[0][1] == 1
    assert len(mta.letters) == 20


@pytest.mark.peer
async def test_postfix_set_up_as_printed_delivers_the_letter(tmp_path: Path) -> None:
    skip_without_postfix()
    address = f"127.0.0.1:{free_port()}"
    config = make_config(tmp_path, address)
    options = options_of(postfix_behind_listener(config))
    with Postfix(f"mx.{HOSTNAME}", address, smtpd_options=options) as postfix:
        administrator = config.administrator.model_copy(
            update={"address": f"user@{postfix.domain}"}
        )
        stores = Stores(config.model_copy(update={"administrator": administrator}))
        await stores.lock("alice@local.example")
        assert await stores.notices().tell_all() == 1
        [letter] = await postfix.wait_for_messages(1)
        await stores.close()
    assert b"Account locked: alice@local.example" in letter
    assert b"countersign users unlock alice@local.example" in letter
