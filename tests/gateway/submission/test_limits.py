"""How many recipients get through the listener, to a real MTA (DESIGN §5)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from countersign.storage.submission.tables import LockReason
from tests.gateway.submission.site import MESSAGE, add_user, client_of, submission_site
from tests.peers.postfix import Postfix

pytestmark = pytest.mark.peer


def people(count: int) -> list[str]:
    return [f"to{number}@alpha.example" for number in range(count)]


async def test_fifty_recipients_pass_and_the_fifty_first_spoils_the_whole_message(
    tmp_path: Path, mta: Postfix
) -> None:
    contact = {"contact": "help@alpha.example"}
    async with (
        submission_site(tmp_path, mta.listen, administrator=contact) as site,
        client_of(site.port) as client,
    ):
        assert (await client.send(*people(50))).code == 250
        assert await site.used() == 50
        assert (await client.say("MAIL FROM:<alice@alpha.example>")).code == 250
        for recipient in people(50):
            assert (await client.say(f"RCPT TO:<{recipient}>")).code == 250
        for line in ("RCPT TO:<to51@alpha.example>", "RCPT TO:<to1@alpha.example>", "DATA"):
            answer = await client.say(line)
            assert (answer.code, answer.enhanced) == (550, "5.5.3")
            assert "50 recipients" in answer.text
            assert "help@alpha.example" in answer.text
        assert await client.codes("RSET") == [250]
        assert (await client.send("to1@alpha.example")).code == 250, "the next one is not spoilt"
        assert await site.used() == 51
    await mta.wait_for_messages(51)
    assert len(mta.messages()) == 51


async def test_recipients_that_the_mta_refuses_do_not_count(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        assert (await client.say("MAIL FROM:<alice@alpha.example>")).code == 250
        assert (await client.say("RCPT TO:<nobody@alpha.example>")).code == 550
        assert await client.codes("RCPT TO:<to1@alpha.example>", "DATA") == [250, 354]
        client.conversation.send(MESSAGE)
        assert (await client.say(".")).code == 250
        assert await site.used() == 1


async def test_a_message_that_the_mta_refuses_counts_nothing(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        at_data = await client.send("to1@alpha.example", sender="data@alpha.example")
        assert (at_data.code, at_data.text.endswith("not now")) == (450, True)
        refused = MESSAGE.replace(b"test", b"refuse me")
        assert (await client.send("to1@alpha.example", content=refused)).code == 550
        assert (await client.send("nobody@alpha.example")).code == 550
        assert await site.used() == 0
        journal = await site.submission.journal.of_user("alice", 0, 2**40)
        for entry in journal:
            found = await site.submission.journal.find(entry.id)
            assert found is not None
            assert found.refused_at is not None
        assert site.metric("submissions_total", front="listener", outcome="refused") == 1
        assert site.metric("submissions_total", front="listener", outcome="deferred") == 1


async def test_300_recipients_in_a_day_pass_and_the_next_one_locks_the_account(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        for _ in range(6):
            assert (await client.send(*people(50))).code == 250
        assert await site.used() == 300
        answer = await client.send("to1@alpha.example")
        assert (answer.code, answer.enhanced) == (550, "5.7.28")
        assert "300 recipients in 24 hours" in answer.text
        [lock] = await site.submission.tables.untold()
        assert (lock.user, lock.used, lock.wanted, lock.limit) == ("alice", 300, 1, 300)
        assert lock.reason is LockReason.DAILY_LIMIT
        assert site.metric("account_locks_total") == 1
        assert (await client.say("MAIL FROM:<alice@alpha.example>")).code == 550
        async with client_of(site.port) as again:
            assert (await again.say("MAIL FROM:<alice@alpha.example>")).code == 550
        assert site.metric("account_locks_total") == 1
        assert await site.used() == 300


async def test_of_many_at_the_same_time_exactly_300_pass(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site:

        async def send(times: int) -> int:
            async with client_of(site.port) as client:
                return sum([(await client.send(*people(10))).code == 250 for _ in range(times)])

        passed = await asyncio.gather(*(send(6) for _ in range(8)))
        assert sum(passed) == 30
        assert await site.used() == 300
        assert len(await site.submission.tables.locks()) == 1
        assert site.metric("account_locks_total") == 1
        accepted = {"front": "listener", "outcome": "accepted"}
        assert site.metric("submitted_recipients_total", **accepted) == 300


async def test_each_user_has_limits_of_his_own(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        await add_user(site.config.state_directory, "bulk", per_message=60, per_day=70)
        async with client_of(site.port, user="bulk") as client:
            assert (await client.send(*people(60))).code == 250
            assert (await client.send(*people(11))).enhanced == "5.7.28"
        async with client_of(site.port) as client:
            assert (await client.send("to1@alpha.example")).code == 250
