"""Real Postfix with our milter on its submission services: same rules, and signatures that hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countersign.mail.stamp import parse_stamp
from tests.gateway.milter.messages import CONTENTS, FROM, fields_of
from tests.gateway.milter.postfix_site import RECIPIENT, Client, postfix_site, skip_without_programs
from tests.gateway.milter.site import HOSTNAME, make_keys, milter_site, signatures_hold
from tests.gateway.world import free_port

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _programs() -> None:
    skip_without_programs()


async def test_every_kind_of_message_arrives_stamped_and_its_signatures_hold(
    tmp_path: Path,
) -> None:
    records = make_keys(tmp_path / "state")
    limits = {"recipients_per_day": 1000}
    async with milter_site(tmp_path, limits=limits) as site:
        with postfix_site(tmp_path, site.port) as mta:
            seen: set[bytes] = set()
            for name, content in CONTENTS.items():
                async with Client(mta.starttls) as client:
                    await client.sign_in()
                    code, words = await client.message(content)
                    assert code == 250, (name, words)
                messages = await mta.postfix.wait_for_messages(len(seen) + 1)
                [message] = set(messages) - seen
                seen.add(message)
                assert signatures_hold(message.replace(b"\n", b"\r\n"), records) == [True] * 2, name
                assert len(fields_of(message, b"date")) == 1
                assert len(fields_of(message, b"message-id")) == 1
                [stamp] = fields_of(message, b"message-tracking")
                found = parse_stamp(" " + stamp.decode().replace("\n", "\r\n"))
                assert (found.host, found.user) == (HOSTNAME, "")
                assert await site.submission.journal.find(found.id) is not None
                for results in fields_of(message, b"authentication-results"):
                    assert HOSTNAME.encode() not in results
            assert await site.used() == len(CONTENTS)
            assert "Äpfel".encode() in b"".join(seen), "8 bits arrive as they were"


async def test_what_postfix_does_to_a_header_before_us_does_not_break_the_signature(
    tmp_path: Path,
) -> None:
    checks = tmp_path / "header_checks"
    checks.write_text(
        "/^Subject: (.*)/ REPLACE Subject: [alpha] $1\n"
        "/^X-Secret:/ IGNORE\n"
        "/^To:/ PREPEND X-Checked: yes\n"
    )
    records = make_keys(tmp_path / "state")
    async with milter_site(tmp_path) as site:
        with postfix_site(
            tmp_path,
            site.port,
            header_checks=f"regexp:{checks}",
            always_add_missing_headers="yes",
            local_header_rewrite_clients="permit_sasl_authenticated",
            canonical_maps="inline:{alice@alpha.example=alice.a@alpha.example}",
            header_size_limit="4000",
        ) as mta:
            async with Client(mta.tls, wrapped=True) as client:
                await client.sign_in()
                content = (
                    b"To: u@b.example\r\nSubject: hello\r\nX-Secret: yes\r\nX-Long: "
                    + b"\r\n ".join([b"x" * 70] * 100)
                    + b"\r\nReply-To: alice@alpha.example\r\n\r\nText.\r\n"
                )
                assert (await client.message(content))[0] == 250
            [message] = await mta.postfix.wait_for_messages(1)
            assert fields_of(message, b"from"), "Postfix has added who sent it"
            assert fields_of(message, b"reply-to") == [b"alice.a@alpha.example"]
            assert fields_of(message, b"subject") == [b"[alpha] hello"]
            assert not fields_of(message, b"x-secret")
            assert fields_of(message, b"x-checked") == [b"yes"]
            assert signatures_hold(message.replace(b"\n", b"\r\n"), records) == [True] * 2


async def test_the_limits_are_those_of_the_listener(tmp_path: Path) -> None:
    content = CONTENTS["plain"]
    async with milter_site(tmp_path) as site:
        with postfix_site(tmp_path, site.port) as mta:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                many = [f"r{number}@alpha.example" for number in range(6)]
                code, words = await client.message(content, many)
                assert code == 550
                assert words.startswith("5.5.3 A message may have 5 recipients; to send to more, ")
                assert "https://alpha.example/ask?for=100%25" in words, "percent signs arrive"
                for _ in range(2):
                    assert (await client.message(content, many[:5]))[0] == 250
                assert await site.used() == 10
                code, words = await client.message(content, many[:3])
                assert (code, words[:7]) == (550, "5.7.28 ")
                assert "10 recipients in 24 hours" in words
            async with Client(mta.starttls) as client:
                await client.sign_in()
                code, words = await client.message(content)
                assert (code, words[:7]) == (550, "5.7.28 ")
            async with Client(mta.starttls) as client:
                await client.sign_in("bob")
                assert (await client.message(content))[0] == 250
            assert await site.used() == 10
            messages = await mta.postfix.wait_for_messages(11)
            assert len(messages) == 11


async def test_a_recipient_too_many_spoils_the_message_though_the_client_goes_on(
    tmp_path: Path,
) -> None:
    async with milter_site(tmp_path) as site:
        with postfix_site(tmp_path, site.port) as mta:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                await client.command("MAIL FROM:<alice@alpha.example>")
                codes = [
                    (await client.command(f"RCPT TO:<r{number}@alpha.example>"))[0]
                    for number in range(7)
                ]
                assert codes == [250] * 5 + [550] * 2
                code, words = await client.command("DATA")
                assert (code, words[:5]) == (550, "5.5.3")
            assert await site.used() == 0


async def test_recipients_that_postfix_refuses_count_nothing(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site:
        with postfix_site(
            tmp_path, site.port, virtual_mailbox_maps="inline:{user@alpha.example=user/}"
        ) as mta:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                await client.command("MAIL FROM:<alice@alpha.example>")
                for number in range(8):
                    assert (await client.command(f"RCPT TO:<n{number}@alpha.example>"))[0] == 550
                assert (await client.command(f"RCPT TO:<{RECIPIENT}>"))[0] == 250
                assert (await client.command("DATA"))[0] == 354
                assert (await client.content(CONTENTS["plain"]))[0] == 250
            assert await site.used() == 1


async def test_nothing_without_sign_in_and_no_sign_in_in_clear(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site:
        with postfix_site(tmp_path, site.port) as mta:
            async with Client(mta.starttls) as client:
                assert (await client.command("MAIL FROM:<a@alpha.example>"))[0] == 530
            async with Client(mta.loose) as client:
                code, words = await client.message(CONTENTS["plain"])
                assert (code, words[:5]) == (530, "5.7.0")
            async with Client(mta.loose) as client:
                await client.sign_in(tls=False)
                code, words = await client.message(CONTENTS["plain"])
                assert (code, words[:6]) == (538, "5.7.11")
            async with Client(mta.loose) as client:
                await client.sign_in()
                assert (await client.message(CONTENTS["plain"]))[0] == 250
            [failure] = await site.submission.tables.recent_failures()
            assert failure.reason == "in-clear"
            assert await site.used() == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Subject: from nobody\r\n\r\nText.\r\n", (550, "5.6.0")),
        (FROM + b"\r\n" + b"x" * 999 + b"\r\n", (550, "5.6.0")),
        (FROM + b"X-Long: " + b"x" * 1000 + b"\r\n\r\nText.\r\n", (550, "5.6.0")),
        (FROM + b"\r\n" + b"12345678\r\n" * 7000, (552, "5.3.4")),
    ],
)
async def test_what_would_not_arrive_whole_is_refused(
    tmp_path: Path, content: bytes, expected: tuple[int, str]
) -> None:
    async with milter_site(tmp_path, milter={"max_message_size": 65536}) as site:
        with postfix_site(tmp_path, site.port) as mta:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                code, words = await client.message(content)
                assert (code, words[:5]) == expected
            assert await site.used() == 0


async def test_several_messages_of_one_connection_are_counted_one_by_one(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site:
        with postfix_site(tmp_path, site.port) as mta:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                for count in range(1, 4):
                    assert (await client.message(CONTENTS["plain"]))[0] == 250
                    assert await site.used() == count
                await client.command("MAIL FROM:<alice@alpha.example>")
                await client.command(f"RCPT TO:<{RECIPIENT}>")
                await client.command("RSET")
                assert (await client.message(CONTENTS["plain"]))[0] == 250
                await client.command("MAIL FROM:<alice@alpha.example>")
                await client.command(f"RCPT TO:<{RECIPIENT}>")
                await client.command("EHLO again.example")
                assert (await client.message(CONTENTS["plain"]))[0] == 250
            assert await site.used() == 5
            ids = set()
            for message in await mta.postfix.wait_for_messages(5):
                ids |= set(re.findall(rb"id=([a-z2-7]{26})", message))
            assert len(ids) == 5


async def test_while_the_milter_is_away_mail_waits(tmp_path: Path) -> None:
    port = free_port()
    with postfix_site(tmp_path, port) as mta:
        async with Client(mta.starttls) as client:
            assert (await client.command("STARTTLS"))[0] == 454
        async with Client(mta.loose) as client:
            assert (await client.command("MAIL FROM:<alice@alpha.example>"))[0] == 451
        async with milter_site(tmp_path, port=port) as site:
            async with Client(mta.starttls) as client:
                await client.sign_in()
                assert (await client.message(CONTENTS["plain"]))[0] == 250
            assert await site.used() == 1
        assert len(await mta.postfix.wait_for_messages(1)) == 1
