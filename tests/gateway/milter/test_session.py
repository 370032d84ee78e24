"""The milter answered by real stores, asked by an MTA of the tests' own."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from countersign.gateway.milter.message import MilterMessage
from countersign.gateway.submission.passing import Accepted, Sender, Submitted
from countersign.mail.submitted import MAX_FIELDS
from countersign.protocol.milter.events import HeaderField
from countersign.protocol.reply import Reply
from countersign.rules.submission import Account, Limits
from countersign.storage.submission.account_rows import Deed
from countersign.storage.submission.entries import Front
from countersign.storage.submission.tables import Lock, LockReason
from countersign.storage.tables import TablesUnavailableError
from tests.gateway.milter.client import CONTINUE, FIELDS, mta_of
from tests.gateway.milter.site import HOSTNAME, MilterSite, make_keys, milter_site
from tests.protocol.milter.mta import ABORT, DATA, END, QUIT_NEW, connect, offer, packet

STAMP_ID = re.compile(rb"id=([a-z2-7]{26})")


def code(answer: tuple[str, bytes]) -> str:
    assert answer[0] == "y", answer
    return answer[1][:9].decode()


async def test_a_message_is_counted_stamped_signed_and_written_down(tmp_path: Path) -> None:
    make_keys(tmp_path / "state")
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        *changes, decision = await mta.message(recipients=3)
        assert decision == CONTINUE
        inserted = [data[4:] for letter, data in changes if letter == "i"]
        assert [one.partition(b"\0")[0] for one in inserted] == [
            b"Message-Tracking",
            b"DKIM-Signature",
            b"DKIM-Signature",
        ], "each on top of the one before"
        assert f"host={HOSTNAME};".encode() in inserted[0]
        added = [data.partition(b"\0")[0] for letter, data in changes if letter == "h"]
        assert added == [b"Date", b"Message-ID"]
        assert await site.used() == 3
        match = STAMP_ID.search(inserted[0])
        assert match is not None
        found = await site.submission.journal.find(match[1].decode())
        assert found is not None
        entry = found.entry
        assert (entry.user, entry.recipients) == ("alice", 3)
        assert entry.client_address == "192.0.2.1"
        assert entry.front is Front.MILTER
        assert found.refused_at is None


async def test_without_sign_in_or_tls_nothing_is_taken(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin(tls=False)
        assert code(await mta.mail("")) == "530 5.7.0"
        assert code(await mta.mail("alice")) == "538 5.7.1"
        [failure] = await site.submission.tables.recent_failures()
        assert (failure.user, failure.reason) == ("", "in-clear")
        assert code(await mta.ask(packet("M", b"<a@b.example>\0"))) == "530 5.7.0"


@pytest.mark.parametrize("name", ["two words", "\x01", "x" * 300, "\udcff"])
async def test_a_name_that_can_be_none_is_refused(tmp_path: Path, name: str) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        value = name.encode("utf-8", "surrogateescape")
        said = packet("D", b"M{auth_authen}\0" + value + b"\0")
        mta.give(said)
        assert code(await mta.ask(packet("M", b"<a@b.example>\0"))) == "550 5.7.1"


async def test_all_spellings_of_a_name_are_one_user(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        for name in ("ALICE", "alice", "Alice"):
            assert (await mta.message(name, 2))[-1] == CONTINUE
        assert await site.used("alice") == 6


SPELLINGS = ("alice", "alice@one", "Alice@two.example", "alice@mail.alpha.example")


async def test_one_user_under_many_domains_has_the_limits_of_one(tmp_path: Path) -> None:
    naming = {"names": "local-part"}
    async with milter_site(tmp_path, sign_in=naming) as site, mta_of(site.port) as mta:
        await mta.begin()
        for name in SPELLINGS[:3]:
            assert (await mta.message(name, 4))[-1] == CONTINUE
        assert await site.used("alice") == 12
        await mta.mail(SPELLINGS[3])
        assert code(await mta.rcpt()) == "550 5.7.2"
        assert await site.submission.tables.lock_of("alice") is not None
        mta.give(ABORT)
        assert code(await mta.mail("alice@another.example")) == "550 5.7.2"


async def test_a_domain_in_a_name_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
            await mta.begin()
            for name in (*SPELLINGS[1:], "alice@"):
                letter, words = await mta.mail(name)
                assert (letter, words[:9]) == ("y", b"550 5.7.1")
                assert b"sign_in.domains" in words
            assert (await mta.message("alice", 4))[-1] == CONTINUE
    told = [line for line in lines if "domain in the name" in line["event"]]
    assert len(told) == 1
    assert "alice" not in repr(told)


async def test_users_of_several_domains_are_told_apart_where_they_are_listed(
    tmp_path: Path,
) -> None:
    naming = {"domains": ["one.example", "two.example"]}
    async with milter_site(tmp_path, sign_in=naming) as site, mta_of(site.port) as mta:
        await mta.begin()
        for name in ("alice@one.example", "alice@TWO.example", "alice"):
            assert (await mta.message(name, 2))[-1] == CONTINUE
            assert await site.used(name.lower()) == 2
        assert code(await mta.mail("alice@three.example")) == "550 5.7.1"
        assert code(await mta.mail("alice@one.example@two.example")) == "550 5.7.1"


async def test_a_recipient_too_many_spoils_the_message(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.mail()
        for number in range(5):
            assert await mta.rcpt(number) == CONTINUE
        letter, words = await mta.rcpt(6)
        assert letter == "y"
        assert b"550 5.5.3 A message may have 5 recipients" in words
        assert b"ask?for=100%%25" in words, "a percent sign is doubled for the MTA"
        assert code(await mta.rcpt(7)) == "550 5.5.3"
        assert code(await mta.ask(DATA)) == "550 5.5.3"
        mta.content()
        [decision] = await mta.end()
        assert code(decision) == "550 5.5.3"
        assert await site.used() == 0
        assert await site.submission.tables.lock_of("alice") is None


async def test_beyond_the_day_s_limit_the_account_is_locked(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        for _ in range(2):
            assert (await mta.message(recipients=5))[-1] == CONTINUE
        await mta.mail()
        for number in range(2):
            assert await mta.rcpt(number) == CONTINUE
        assert code(await mta.rcpt(3)) == "550 5.7.2"
        lock = await site.submission.tables.lock_of("alice")
        assert lock is not None
        assert (lock.reason, lock.used, lock.wanted) == (LockReason.DAILY_LIMIT, 10, 3)
        mta.give(ABORT)
        assert code(await mta.mail()) == "550 5.7.2"
        assert await site.used() == 10
        assert (await mta.message("bob"))[-1] == CONTINUE, "others go on"


async def test_many_at_once_pass_the_limit_by_none(tmp_path: Path) -> None:
    async def one(port: int) -> int:
        async with mta_of(port) as mta:
            await mta.begin()
            if await mta.mail() != CONTINUE or await mta.rcpt() != CONTINUE:
                return 0
            await mta.ask(DATA)
            mta.content()
            return int((await mta.end())[-1] == CONTINUE)

    async with milter_site(tmp_path) as site:
        passed = await asyncio.gather(*(one(site.port) for _ in range(30)))
        assert sum(passed) == 12
        assert await site.used() == 12


async def test_what_is_aborted_counts_nothing(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        mta.content()
        mta.give(ABORT)
        assert (await mta.message(recipients=2))[-1] == CONTINUE
        assert await site.used() == 2
        assert await site.journal_rows() == 1


async def test_a_connection_of_the_mta_s_serves_the_next_client(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.message()
        mta.give(QUIT_NEW, connect("192.0.2.2"))
        letter, words = await mta.mail("alice")
        assert (letter, words[:3]) == ("y", b"538"), "the next client has no TLS of the first"


async def test_forged_stamps_and_results_are_removed_from_the_last_on(tmp_path: Path) -> None:
    forged = f" {HOSTNAME}; auth=pass".encode()
    fields = (
        (b"Message-Tracking", b" v=1; forged"),
        *FIELDS,
        (b"authentication-results", b" other.example; dkim=pass"),
        (b"Authentication-Results", forged),
        (b"MESSAGE-TRACKING", b" v=1; again"),
        (b"Message-Id", b" <1@alpha.example>"),
        (b"Date", b" Wed, 25 Nov 2026 13:00:00 +0000"),
    )
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        mta.content(fields)
        answers = await mta.end()
        assert [one for one in answers if one[0] == "m"] == [
            ("m", b"\0\0\0\x02MESSAGE-TRACKING\0\0"),
            ("m", b"\0\0\0\x02Authentication-Results\0\0"),
            ("m", b"\0\0\0\x01Message-Tracking\0\0"),
        ]
        assert not [one for one in answers if one[0] == "h"], "nothing was missing"
        assert answers[-1] == CONTINUE


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        (FIELDS[1:], b"x\r\n", "550 5.6.0"),
        (FIELDS, b"bare\nlf\r\n", "550 5.6.0"),
        (FIELDS, b"bare cr at the end\r", "550 5.6.0"),
        (FIELDS, b"nul\0\r\n", "550 5.6.0"),
        (FIELDS, b"x" * 999, "550 5.6.0"),
        (FIELDS, (b"x" * 900 + b"\r\n") * 80, "552 5.3.4"),
        ((*FIELDS, (b"X-Long", b" " + b"x" * 1000)), b"x\r\n", "550 5.6.0"),
        ((*FIELDS, (b"X-Cr", b" a\rMessage-Tracking: x")), b"x\r\n", "550 5.6.0"),
        ((*FIELDS, (b"X-Lf", b" a\nMessage-Tracking: x")), b"x\r\n", "550 5.6.0"),
        ((*FIELDS, (b" X", b" continues")), b"x\r\n", "550 5.6.0"),
        ((*FIELDS, (b"Subject ", b" x")), b"x\r\n", "550 5.6.0"),
        ((*FIELDS, (b"Message-Tracking\t", b" v=1; forged")), b"x\r\n", "550 5.6.0"),
        ((*FIELDS, *[(b"X-Much", b" " + b"x" * 500)] * 9), b"x\r\n", "552 5.3.4"),
    ],
)
async def test_what_cannot_be_passed_on_whole_is_refused_and_counts_nothing(
    tmp_path: Path, fields: tuple[tuple[bytes, bytes], ...], body: bytes, expected: str
) -> None:
    limits = {"max_message_size": 65536, "max_header_size": 4000}
    async with milter_site(tmp_path, milter=limits) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        mta.content(fields, body)
        [decision] = await mta.end()
        assert code(decision) == expected
        assert await site.used() == 0
        assert await site.journal_rows() == 0


async def test_an_mta_without_recipients_gets_no_message_through(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        assert code(await mta.mail("")) == "530 5.7.0"
        await mta.mail()
        mta.give(ABORT)
        await mta.mail()
        await mta.rcpt()
        assert await mta.ask(packet("R", b"<x@b.example>\0")) == CONTINUE
        mta.content()
        assert (await mta.end())[-1] == CONTINUE
        assert await site.used() == 2


async def test_nonsense_ends_the_connection_and_no_other(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as other:
        await other.begin()
        for octets in (END, b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", offer() + offer()):
            async with mta_of(site.port) as mta:
                mta.give(octets)
                while not await mta.is_left():
                    pass
        assert (await other.message())[-1] == CONTINUE


async def test_strangers_are_not_heard(tmp_path: Path) -> None:
    networks = {"clients": ["192.0.2.0/24"]}
    async with milter_site(tmp_path, milter=networks) as site, mta_of(site.port) as mta:
        assert await mta.is_left()


async def test_a_silent_mta_is_left(tmp_path: Path) -> None:
    settings = {"idle_timeout": 0.1}
    async with milter_site(tmp_path, milter=settings) as site, mta_of(site.port) as mta:
        assert await mta.is_left()


async def test_one_connection_too_many_is_closed(tmp_path: Path) -> None:
    settings = {"max_connections": 1}
    async with milter_site(tmp_path, milter=settings) as site, mta_of(site.port) as first:
        await first.begin()
        async with mta_of(site.port) as second:
            assert await second.is_left()


class _Slow:
    """Lets the desk wait until it is told to go on."""

    def __init__(self, site: MilterSite) -> None:
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()
        self._accept = site.service.desk.accept

    async def accept(self, message: Submitted) -> Accepted | Reply:
        accepted = await self._accept(message)
        self.begun.set()
        await self.go_on.wait()
        return accepted


async def test_long_work_is_told_to_the_mta(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with milter_site(tmp_path, progress_seconds=0.02) as site, mta_of(site.port) as mta:
        slow = _Slow(site)
        monkeypatch.setattr(site.service.desk, "accept", slow.accept)
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        mta.content()
        assert await mta.ask(END) == ("p", b"")
        assert await mta.answer() == ("p", b"")
        slow.go_on.set()
        answers = [await mta.answer()]
        while answers[-1] != CONTINUE:
            answers.append(await mta.answer())


async def test_an_mta_that_leaves_before_the_answer_has_nothing_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with milter_site(tmp_path, progress_seconds=0.02) as site:
        slow = _Slow(site)
        monkeypatch.setattr(site.service.desk, "accept", slow.accept)
        async with mta_of(site.port) as mta:
            await mta.begin()
            await mta.mail()
            await mta.rcpt()
            mta.content()
            mta.give(END)
            await slow.begun.wait()
            assert await site.used() == 1
        slow.go_on.set()
        async with asyncio.timeout(10):
            while await site.used():
                await asyncio.sleep(0.01)
        assert await site.journal_rows() == 2, "the message, and that it was refused"


async def test_a_stop_lets_a_message_end(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta, mta_of(site.port) as idle:
        await idle.begin()
        await idle.message()
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        stopping = asyncio.create_task(site.service.drain(10))
        assert await idle.is_left()
        mta.content()
        assert (await mta.end())[-1] == CONTINUE
        assert await mta.is_left()
        await stopping
        assert await site.used() == 2


async def test_what_cannot_be_counted_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise TablesUnavailableError("the disk is away")

    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        mta.content()
        with monkeypatch.context() as patch:
            patch.setattr(site.submission.journal, "append", fail)
            assert code((await mta.end())[-1]) == "451 4.3.0"
        assert await site.used() == 0
        monkeypatch.setattr(site.submission.tables, "standing", fail)
        assert code(await mta.mail()) == "451 4.3.0"


async def test_a_message_of_very_many_fields_is_refused_before_they_are_kept(
    tmp_path: Path,
) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await mta.mail()
        await mta.rcpt()
        mta.content((*FIELDS, *[(b"a", b"")] * 60_000))
        [decision] = await mta.end()
        assert code(decision) == "550 5.6.0"
        assert b"too many fields" in decision[1]
        assert await site.used() == 0


def test_of_too_many_fields_none_are_kept() -> None:
    account, limits = Account("alice"), Limits()
    sender = Sender(account, limits, 0, None, 0.0)
    message = MilterMessage(sender, max_size=10**6, max_header=10**6)
    for number in range(MAX_FIELDS):
        message.add_field(HeaderField(b"a", b"a: %d\r\n" % number))
    assert message.refusal is None
    message.add_field(HeaderField(b"a", b"a: one more\r\n"))
    assert message.refusal is not None
    assert message.fields == []


async def test_the_log_names_neither_the_user_nor_the_client_s_address(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
            await mta.begin()
            assert (await mta.message())[-1] == CONTINUE
    assert [line["recipients"] for line in lines if line["event"] == "message"] == [1]
    assert "alice" not in repr(lines)
    assert "192.0.2.1" not in repr(lines)


async def test_a_disabled_user_sends_nothing_through_the_mta_either(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        accounts = site.submission.accounts
        await mta.begin()
        await accounts.set_disabled("alice", True, Deed("test", 1.0))
        assert code(await mta.mail()) == "550 5.7.1"
        assert await mta.mail("bob") == CONTINUE
        await accounts.set_disabled("alice", False, Deed("test", 2.0))
        assert (await mta.message())[-1] == CONTINUE


async def test_an_unlock_does_not_end_the_mta_s_own_sign_ins(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await mta.begin()
        await site.submission.tables.lock(Lock("alice", LockReason.ADMINISTRATOR, 1.0))
        await site.submission.tables.unlock("alice", forget=True, now=time.time())
        assert (await mta.message())[-1] == CONTINUE


async def test_an_administrator_s_lock_holds_here_too(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site, mta_of(site.port) as mta:
        await site.submission.tables.lock(Lock("alice", LockReason.ADMINISTRATOR, 1.0))
        await mta.begin()
        assert code(await mta.mail()) == "550 5.7.1"
