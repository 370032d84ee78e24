"""What becomes of a submitted message: stamped, signed, completed, otherwise as it was."""

from __future__ import annotations

import email
import email.policy
import re
from pathlib import Path

import dkim
import pytest

from countersign.mail.stamp import parse_stamp
from tests.gateway.milter.site import make_keys, signatures_hold
from tests.gateway.submission.site import HOSTNAME, MESSAGE, client_of, submission_site
from tests.peers.postfix import Postfix

pytestmark = pytest.mark.peer
RECIPIENT = "to1@alpha.example"
FORGED = (
    b"Message-Tracking: v=1; host=mail.other.example;\r\n\tid=aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
    b"From: alice@alpha.example\r\n"
    b"MESSAGE-TRACKING : v=1; host=mail.alpha.example; id=bbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"
    b"Authentication-Results: mail.alpha.example; x-countersign=pass\r\n"
    b"Subject: two lines\r\n of subject\r\nTo: to1@alpha.example\r\n\r\n"
    b"  A body  \r\n.with dots\r\n..\r\n\r\n\r\n"
)


async def test_forged_stamps_go_ours_comes_and_the_signatures_hold(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        records = make_keys(site.config.state_directory)
        async with client_of(site.port) as client:
            wire = FORGED.replace(b"\r\n.", b"\r\n..")
            assert (await client.send(RECIPIENT, content=wire)).code == 250
        [message] = await mta.wait_for_messages(1)
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        [value] = parsed.get_all("Message-Tracking")
        stamp = parse_stamp(str(value))
        assert stamp.host == HOSTNAME
        found = await site.submission.journal.find(stamp.id)
        assert found is not None
        assert found.refused_at is None
        entry = found.entry
        assert (entry.user, entry.recipients, entry.client_address) == ("alice", 1, "127.0.0.1")
    assert b"aaaaaaaa" not in message
    assert b"bbbbbbbb" not in message
    assert b"x-countersign=pass" not in message
    assert message.endswith(b"\n\n  A body  \n.with dots\n..\n\n\n")
    signed = message.replace(b"\n", b"\r\n")
    assert signatures_hold(signed, records) == [True, True]
    for tampered in (
        signed.replace(b"two lines", b"one line"),
        signed.replace(b"A body", b"B body"),
        signed.replace(b"From: ", b"Message-Tracking: v=1; x=y\r\nFrom: ", 1),
        signed.replace(b"id=" + stamp.id.encode(), b"id=" + b"c" * 25 + b"a"),
    ):
        assert tampered != signed
        assert not any_holds(tampered, records)


async def test_a_space_before_a_colon_goes_and_everybody_can_read_the_signatures(
    tmp_path: Path, mta: Postfix
) -> None:
    odd = b"Subject : two\r\n \twords\r\nMessage-Tracking : forged\r\nX-Y\t: a : b\r\n"
    async with submission_site(tmp_path, mta.listen) as site:
        records = make_keys(site.config.state_directory)
        async with client_of(site.port) as client:
            content = b"From \t: alice@alpha.example\r\n" + odd + b"\r\nHello.\r\n"
            assert (await client.send(RECIPIENT, content=content)).code == 250
        [message] = await mta.wait_for_messages(1)
    assert b"\nSubject: two\n \twords\nX-Y: a : b\n" in message
    assert b"\nFrom: alice@alpha.example\n" in message
    assert signatures_hold(message.replace(b"\n", b"\r\n"), records) == [True, True]


def any_holds(message: bytes, records: dict[bytes, bytes]) -> bool:
    try:
        return any(signatures_hold(message, records))
    except dkim.DKIMException:
        return False


async def test_the_trace_names_neither_the_user_nor_the_clients_address(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        await client.say("EHLO [192.168.7.7]")
        assert (await client.send(RECIPIENT)).code == 250
    [message] = await mta.wait_for_messages(1)
    assert b"192.168.7.7" not in message
    ours = re.search(rb"Received: \(using TLSv1.*\n\tby mail.alpha.example with (\S+) id", message)
    assert ours is not None
    assert ours[1] == b"ESMTPSA"
    assert "helo=<[192.168.7.7]>" not in mta.log()


async def test_the_client_is_named_where_the_operator_wants_it(
    tmp_path: Path, mta: Postfix
) -> None:
    settings = {"enabled": True, "show_client": True, "backend": {"address": mta.listen}}
    async with submission_site(tmp_path, submission=settings) as site, client_of(site.port) as one:
        await one.say("EHLO [192.168.7.7]")
        assert (await one.send(RECIPIENT)).code == 250
    [message] = await mta.wait_for_messages(1)
    assert b"Received: from [192.168.7.7] ([127.0.0.1])\n\t(using TLSv1" in message


async def test_a_date_and_a_message_id_are_added_where_they_are_missing(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        assert (await client.send(RECIPIENT)).code == 250
        [message] = await mta.wait_for_messages(1)
        assert message.count(b"\nDate: ") == 1
        assert re.search(rb"\nMessage-ID: <[0-9a-f]{32}@mail\.alpha\.example>\n", message)
        theirs = b"Date: Mon, 01 Jun 2026 09:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n"
        assert (await client.send(RECIPIENT, content=theirs + MESSAGE)).code == 250
        messages = await mta.wait_for_messages(2)
        [second] = [one for one in messages if b"<1@x.example>" in one]
        assert second.count(b"\nDate: ") == second.count(b"\nMessage-ID: ") == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"Subject: from nobody\r\n\r\nx\r\n", 550),
        (b"From: a@b.example\r\nFROM : c@d.example\r\n\r\nx\r\n", 550),
        (b"\r\nonly a body\r\n", 550),
        (b"", 550),
        (b"From: a@b.example\r\nno field at all\r\nMessage-Tracking: x\r\n\r\nx\r\n", 550),
        (b"From alice Mon Jun  1\r\nFrom: a@b.example\r\n\r\nx\r\n", 550),
        (b"From: a@b.example\r\nX: " + b"y" * 999 + b"\r\n\r\nx\r\n", 550),
        (b"From: a@b.example\r\n" + b"X: y\r\n" * 300 + b"\r\nx\r\n", 552),
        (b"From: a@b.example\r\n\r\n" + b"12345678\r\n" * 7000, 552),
        (b"From: a@b.example\r\nSubject: no body", 250),
    ],
)
async def test_what_no_mta_should_get_is_refused_and_counts_nothing(
    tmp_path: Path, mta: Postfix, content: bytes, code: int
) -> None:
    settings = {
        "enabled": True,
        "backend": {"address": mta.listen},
        "max_header_size": 1500,
        "max_message_size": 65536,
    }
    async with submission_site(tmp_path, submission=settings) as site, client_of(site.port) as one:
        wire = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
        assert (await one.send(RECIPIENT, content=wire)).code == code
        assert await site.used() == (code == 250)
        assert (await one.send(RECIPIENT)).code == 250, "the dialogue goes on"
        assert (site.submission.spools.in_memory, site.submission.spools.on_disk) == (0, 0)


async def test_a_broken_line_ending_ends_the_connection_and_nothing_reaches_the_mta(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        content = MESSAGE + b"smuggled\n.\r\nMAIL FROM:<a@b.example>\r\n"
        assert (await client.send(RECIPIENT, content=content)).code == 550
        assert await client.conversation.stream.read() == b""
        assert await site.used() == 0
    assert mta.messages() == []


async def test_a_big_message_passes_by_a_file_that_leaves_nothing(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        records = make_keys(site.config.state_directory)
        body = b"".join(b"line %07d\r\n" % number for number in range(300_000))
        async with client_of(site.port) as client:
            assert (await client.send(RECIPIENT, content=MESSAGE + body)).code == 250
            spool = site.config.state_directory / "submission" / "spool"
            assert spool.stat().st_mode & 0o777 == 0o700
            assert list(spool.iterdir()) == []
        assert (site.submission.spools.in_memory, site.submission.spools.on_disk) == (0, 0)
    [message] = await mta.wait_for_messages(1)
    assert message.endswith(body.replace(b"\r\n", b"\n"))
    assert signatures_hold(message.replace(b"\n", b"\r\n"), records) == [True, True]


async def test_mail_in_utf_8_is_marked_as_such(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as client:
        lines = ["MAIL FROM:<alice@alpha.example> SMTPUTF8 BODY=8BITMIME", f"RCPT TO:<{RECIPIENT}>"]
        assert await client.codes(*lines, "DATA") == [250, 250, 354]
        client.conversation.send("From: Älice <alice@alpha.example>\r\n\r\nÜ\r\n".encode())
        assert (await client.say(".")).code == 250
    [message] = await mta.wait_for_messages(1)
    assert b"with UTF8SMTPSA id" in message
    assert "From: Älice".encode() in message


async def test_the_user_is_on_the_stamp_only_where_the_operator_wants_it(
    tmp_path: Path, mta: Postfix
) -> None:
    async with (
        submission_site(tmp_path, mta.listen, stamp={"user": True}) as site,
        client_of(site.port) as client,
    ):
        assert (await client.send(RECIPIENT)).code == 250
    [message] = await mta.wait_for_messages(1)
    value = email.message_from_bytes(message)["Message-Tracking"]
    assert parse_stamp(value).user == "alice"
