"""Real Sendmail with our milter, by the lines that `setup sendmail` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from countersign.cli.submission_snippets import sendmail_snippet
from countersign.gateway.config import Config
from countersign.transport.certificate import make_self_signed
from tests.gateway.milter.messages import CONTENTS, fields_of
from tests.gateway.milter.postfix_site import PASSWORDS, Client
from tests.gateway.milter.site import make_keys, milter_site, settings_of, signatures_hold
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix
from tests.peers.sendmail import Sendmail, skip_without_sendmail

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]
RECIPIENTS = [f"r{number}@beta.example" for number in range(6)]


@pytest.fixture(autouse=True)
def _programs() -> None:
    skip_without_sendmail()
    skip_without_postfix()


@dataclass
class Site:
    sendmail: Sendmail
    port: int
    """Of the daemon for users."""
    relay: Postfix
    """Where all mail goes."""


@contextmanager
def sendmail_site(directory: Path, milter_port: int) -> Iterator[Site]:
    pair = directory / "pair.pem"
    pair.write_bytes(make_self_signed("mx.alpha.example"))
    listen = {"enabled": True, "listen": [f"127.0.0.1:{milter_port}"]}
    config = Config.model_validate(settings_of(directory, milter=listen))
    port, relay_port = free_port(), free_port()
    lines = sendmail_snippet(config).replace("Port=submission,", f"Addr=127.0.0.1, Port={port},")
    relay = Postfix(
        "mx.beta.example",
        f"127.0.0.1:{relay_port}",
        settings={"virtual_mailbox_maps": "static:beta.example/user/"},
    )
    sendmail = Sendmail(
        "mx.alpha.example",
        free_port(),
        lines=lines,
        pair=pair,
        users=PASSWORDS,
        relay_port=relay_port,
    )
    with relay, sendmail:
        yield Site(sendmail, port, relay)


async def test_every_kind_of_message_arrives_stamped_and_its_signatures_hold(
    tmp_path: Path,
) -> None:
    records = make_keys(tmp_path / "state")
    limits = {"recipients_per_day": 1000}
    async with milter_site(tmp_path, limits=limits) as site:
        with sendmail_site(tmp_path, site.port) as mta:
            seen: set[bytes] = set()
            for name, content in CONTENTS.items():
                async with Client(mta.port) as client:
                    await client.sign_in()
                    code, words = await client.message(content, RECIPIENTS[:1])
                    assert code == 250, (name, words, mta.sendmail.log())
                messages = await mta.relay.wait_for_messages(len(seen) + 1)
                [message] = set(messages) - seen
                seen.add(message)
                assert len(fields_of(message, b"message-tracking")) == 1
                assert len(fields_of(message, b"date")) == 1
                assert len(fields_of(message, b"message-id")) == 1
                assert signatures_hold(message.replace(b"\n", b"\r\n"), records) == [True] * 2, name
            assert await site.used() == len(CONTENTS)


async def test_the_limits_hold_for_sendmail_too(tmp_path: Path) -> None:
    content = CONTENTS["plain"]
    async with milter_site(tmp_path) as site:
        with sendmail_site(tmp_path, site.port) as mta:
            async with Client(mta.port) as client:
                await client.sign_in()
                code, words = await client.message(content, RECIPIENTS)
                assert code == 550
                assert "A message may have 5 recipients; to send to more, ask" in words
                assert "https://alpha.example/ask?for=100%25" in words, "percent signs arrive"
                for _ in range(2):
                    assert (await client.message(content, RECIPIENTS[:5]))[0] == 250
                code, words = await client.message(content, RECIPIENTS[:3])
                assert (code, words[:7]) == (550, "5.7.28 ")
            async with Client(mta.port) as client:
                await client.sign_in()
                code, words = await client.message(content, RECIPIENTS[:1])
                assert (code, words[:7]) == (550, "5.7.28 ")
            assert await site.used() == 10


async def test_a_recipient_too_many_spoils_the_message_at_sendmail_too(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site:
        with sendmail_site(tmp_path, site.port) as mta:
            async with Client(mta.port) as client:
                await client.sign_in()
                await client.command("MAIL FROM:<alice@alpha.example>")
                codes = [(await client.command(f"RCPT TO:<{one}>"))[0] for one in RECIPIENTS]
                assert codes == [250] * 5 + [550]
                assert (await client.command("DATA"))[0] == 550
            assert await site.used() == 0


@pytest.mark.parametrize("printed", [True, False])
async def test_one_password_with_many_realms_has_the_limits_of_one_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: bool
) -> None:
    names = ("alice", "alice@one", "alice@two", "alice@mx.alpha.example")
    for name in names:
        # saslauthd is given the realm apart, and looks at the name alone.
        monkeypatch.setitem(PASSWORDS, name, PASSWORDS["alice"])
    naming = {"names": "local-part"} if printed else {}
    limits = {"recipients_per_day": 3}
    async with milter_site(tmp_path, limits=limits, sign_in=naming) as site:
        with sendmail_site(tmp_path, site.port) as mta:
            codes = []
            for name in names:
                async with Client(mta.port) as client:
                    await client.sign_in(name)
                    codes.append(await client.message(CONTENTS["plain"], RECIPIENTS[:3]))
            assert [code for code, _ in codes] == [250, 550, 550, 550]
            setting = "sign_in.domains" in codes[1][1]
            assert setting is not printed, codes
            assert await site.used("alice") == 3
            assert len(await site.submission.tables.top(time.time())) == 1


async def test_nobody_without_sign_in_and_no_sign_in_in_clear(tmp_path: Path) -> None:
    async with milter_site(tmp_path) as site:
        with sendmail_site(tmp_path, site.port) as mta:
            async with Client(mta.port) as client:
                code, _ = await client.message(CONTENTS["plain"], RECIPIENTS[:1])
                assert code == 530
                assert not client.smtp.has_extn("auth"), "offered inside TLS only"


async def test_while_the_milter_is_away_sendmail_lets_mail_wait(tmp_path: Path) -> None:
    port = free_port()
    with sendmail_site(tmp_path, port) as mta:
        async with Client(mta.port) as client:
            code, _ = await client.command("STARTTLS")
            assert 400 <= code < 500, "nobody gets as far as signing in"
        async with milter_site(tmp_path, port=port) as site:
            async with Client(mta.port) as client:
                await client.sign_in()
                assert (await client.message(CONTENTS["plain"], RECIPIENTS[:1]))[0] == 250
            assert await site.used() == 1
        await mta.relay.wait_for_messages(1)
