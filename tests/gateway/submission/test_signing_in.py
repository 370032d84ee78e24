"""Signing in at the listener, with foreign clients: no mail without, no password in clear."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
from pathlib import Path

import aiosmtplib
import pytest

from countersign.transport.conversation import ConversationError
from countersign.transport.tls_listener import TlsListener
from tests.gateway.submission.site import (
    MESSAGE,
    PASSWORD,
    Site,
    client_of,
    client_tls,
    plain,
    submission_site,
)
from tests.peers.postfix import Postfix


async def run(*command: str, words: str = "") -> tuple[int, str]:
    if not shutil.which(command[0]) and os.environ.get("CI") != "true":
        pytest.skip(f"{command[0]} is not installed (.ci/install-packages)")
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(words.encode()), 60)
    return process.returncode or 0, output.decode(errors="replace")


def swaks(site: Site, *options: str) -> tuple[str, ...]:
    return (
        *("swaks", "-f", "alice@alpha.example", "-t", "to1@alpha.example"),
        *("--server", "127.0.0.1", *options),
    )


@pytest.mark.peer
async def test_swaks_signs_in_on_both_ports(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        account = ("-au", "alice", "-ap", PASSWORD, "-a", "PLAIN")
        for options in (
            ("-tls", "--port", str(site.port)),
            ("--tls-on-connect", "--port", str(site.tls_port)),
        ):
            code, text = await run(*swaks(site, *account, *options))
            assert code == 0, text
            assert "235 2.7.0" in text
        assert await site.used() == 2
    await mta.wait_for_messages(2)
    assert "sasl_username=alice" in mta.log()


@pytest.mark.peer
async def test_swaks_without_a_sign_in_or_without_tls_gets_nothing_through(
    tmp_path: Path, mta: Postfix
) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        port = ("--port", str(site.port))
        code, text = await run(*swaks(site, "-tls", *port))
        assert code != 0
        assert "530 5.7.0 Authentication required" in text
        code, text = await run(*swaks(site, *port))
        assert code != 0
        assert "530 5.7.0 Must issue a STARTTLS command first" in text
        wrong = ("-au", "alice", "-ap", "wrong", "-a", "PLAIN")
        code, text = await run(*swaks(site, "-tls", *wrong, *port))
        assert code != 0
        assert "535 5.7.8" in text
        assert await site.used() == 0
    assert mta.messages() == []


@pytest.mark.peer
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN"])
async def test_gsasl_signs_in(tmp_path: Path, mechanism: str) -> None:
    async with submission_site(tmp_path) as site:
        command = (
            *("gsasl", "--smtp", "--verbose", "-m", mechanism, "--x509-ca-file="),
            *("-a", "alice", "-p", PASSWORD, "--no-cb", f"--connect=127.0.0.1:{site.port}"),
        )
        _, text = await run(*command)
        assert "235 2.7.0" in text, text
        assert site.metric("sign_ins_total", outcome="ok") == 1
        _, text = await run(*(word.replace(PASSWORD, "wrong") for word in command))
        assert "535 5.7.8" in text, text
        assert site.metric("sign_ins_total", outcome="password") == 1


@pytest.mark.peer
async def test_aiosmtplib_sends_on_both_ports(tmp_path: Path, mta: Postfix) -> None:
    async with submission_site(tmp_path, mta.listen) as site:
        for port, is_tls in ((site.port, False), (site.tls_port, True)):
            errors, answer = await aiosmtplib.send(
                MESSAGE,
                sender="alice@alpha.example",
                recipients=["to1@alpha.example", "to2@alpha.example"],
                hostname="127.0.0.1",
                port=port,
                use_tls=is_tls,
                start_tls=not is_tls,
                tls_context=client_tls(),
                username="alice",
                password=PASSWORD,
            )
            assert errors == {}
            assert "queued" in answer
        assert await site.used() == 4
    await mta.wait_for_messages(4)


async def test_who_does_not_sign_in_is_sent_away_however_busy(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site, client_of(site.port, user=None) as client:
        answers = [(await client.say("NOOP")).code for _ in range(48)]
        assert answers == [250] * 47 + [421]
        async with client_of(site.port) as other:
            assert await other.codes(*["NOOP"] * 100) == [250] * 100


async def test_a_password_in_clear_is_refused_and_counted(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site:
        async with client_of(site.port, tls=False) as client:
            answer = await client.say(f"AUTH PLAIN {plain('alice', PASSWORD)}")
            assert (answer.code, answer.enhanced) == (538, "5.7.11")
            assert (await client.say("MAIL FROM:<alice@alpha.example>")).code == 530
        assert site.metric("sign_ins_total", outcome="in-clear") == 1
        [failure] = await site.submission.tables.recent_failures()
        assert (failure.reason, failure.user) == ("in-clear", "")


async def test_failed_sign_ins_end_the_connection_and_are_limited(tmp_path: Path) -> None:
    limits = {"failures_of_account_there": 4}
    async with submission_site(
        tmp_path, sign_in=limits, submission={"enabled": True, "max_errors": 3}
    ) as site:
        async with client_of(site.port, user=None) as client:
            answers = [(await client.sign_in(password="wrong")).code for _ in range(3)]
            assert answers == [535, 535, 535]
            with pytest.raises(ConversationError):
                await client.say("NOOP")
            assert client.conversation.dialogue.server_left, "421 was said"
        async with client_of(site.port, user=None) as client:
            assert (await client.sign_in(password="wrong")).code == 535
            answer = await client.sign_in()
            assert (answer.code, answer.enhanced) == (454, "4.7.0")


async def test_who_does_not_sign_in_in_time_is_sent_away(tmp_path: Path) -> None:
    settings = {"enabled": True, "sign_in_timeout": 1}
    async with (
        submission_site(tmp_path, submission=settings) as site,
        client_of(site.port, user=None) as idle,
        client_of(site.port, user=None) as busy,
        client_of(site.port) as signed_in,
    ):
        async with asyncio.timeout(10):
            with pytest.raises(ConversationError):
                while (await busy.say("NOOP")).code in (250, 421):
                    await asyncio.sleep(0.1)
            assert (await idle.conversation.stream.read()).startswith(b"421 ")
        assert (await signed_in.say("NOOP")).code == 250


async def test_what_was_said_before_the_handshake_is_forgotten(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site, client_of(site.port, tls=False) as client:
        injected = f"EHLO x.example\r\nAUTH PLAIN {plain('alice', PASSWORD)}\r\n".encode()
        conversation = client.conversation
        answer = await conversation.start_tls(client_tls(), None, injected=injected)
        assert answer.code == 220
        assert await client.codes("MAIL FROM:<a@b.example>", "EHLO x.example") == [503, 250]
        assert (await client.say("MAIL FROM:<a@b.example>")).code == 530


async def test_the_source_out_of_reach_is_never_a_wrong_password(tmp_path: Path) -> None:
    dovecot = {"source": "dovecot", "dovecot": {"socket": tmp_path / "none", "timeout": 1}}
    async with (
        submission_site(tmp_path, sign_in=dovecot) as site,
        client_of(site.port, user=None) as client,
    ):
        assert (await client.sign_in()).code == 454


# -- TLS from the first octet --------------------------------------------------------------------


async def test_handshakes_count_against_the_limits_and_end_in_time(tmp_path: Path) -> None:
    settings = {"enabled": True, "max_connections_per_network": 3}
    async with submission_site(tmp_path, submission=settings) as site:
        half_made = [await asyncio.open_connection("127.0.0.1", site.tls_port) for _ in range(3)]
        async with asyncio.timeout(5):
            while site.tls_service._handshakes < 3:
                await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.tls_port)
        assert await reader.read() == b"", "there is no room for a fourth"
        writer.close()
        half_made[0][1].close()
        half_made[1][1].write(b"this is no handshake\r\n")
        async with asyncio.timeout(5):
            while site.tls_service._handshakes > 1:
                await asyncio.sleep(0.01)
        tls = await asyncio.open_connection("127.0.0.1", site.tls_port, ssl=client_tls())
        assert (await tls[0].readline()).startswith(b"220 ")
        assert site.tls_service._handshakes == 1
        tls[1].close()
        half_made[2][1].close()


async def test_a_handshake_that_is_never_made_is_ended(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site:
        listening = socket.create_server(("127.0.0.1", 0))
        listener = TlsListener(
            listening,
            site.submission.tls,
            admit=site.tls_service.admit_handshake,
            connected=site.tls_service.connected,
            handshake_timeout=0.3,
        )
        port = listening.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        async with asyncio.timeout(5):
            while site.tls_service._handshakes:
                await asyncio.sleep(0.01)
        listener.close()


async def test_no_certificate_is_asked_of_users(tmp_path: Path) -> None:
    async with submission_site(tmp_path) as site:
        context = client_tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection("127.0.0.1", site.tls_port, ssl=context)
        assert site.submission.tls.verify_mode is ssl.CERT_NONE
        writer.close()
