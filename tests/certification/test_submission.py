"""The ports for submission: no relay without a password, no password before TLS."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from countersign.certification.outcome import TestOutcome, Verdict
from countersign.certification.said import Trouble
from countersign.certification.settings import Standing
from countersign.certification.standpoint import Standpoint
from countersign.certification.submission import (
    check_submission,
    check_submissions,
    judge_no_connection,
)
from tests.certification.relaying import ALL, TakingServer, by_name, taking, visit_of
from tests.certification.running import LOOPBACK
from tests.gateway.world import free_port

PASSED, FAILED, UNTESTED = Verdict.PASSED, Verdict.FAILED, Verdict.COULD_NOT_TEST
DEMANDING = {"MAIL": "530 5.7.0 Authentication required"}


async def examine(server: TakingServer, directory: Path) -> dict[str, TestOutcome]:
    """Make the tests of one port, which is that of the server."""
    async with server.running(directory):
        if server.tls_first:
            visit = visit_of(server.address, 25, submissions_port=server.port, timeout=2)
            await check_submissions(visit)
        else:
            visit = visit_of(server.address, 25, submission_port=server.port, timeout=2)
            await check_submission(visit)
    return by_name(visit)


def verdicts(outcomes: dict[str, TestOutcome]) -> dict[str, Verdict]:
    assert not any(one.is_essential for one in outcomes.values())
    return {name: one.verdict for name, one in outcomes.items()}


async def test_a_port_that_asks_for_a_password_passes(tmp_path: Path) -> None:
    server = taking(DEMANDING, tls_keywords=("AUTH PLAIN",))
    assert verdicts(await examine(server, tmp_path)) == {
        "submission-auth-in-clear": PASSED,
        "submission": PASSED,
    }
    assert server.commands.count("EHLO registrar.example") == 2
    assert server.connections == 1


async def test_a_port_that_offers_auth_before_tls_fails(tmp_path: Path) -> None:
    server = taking(DEMANDING, clear_keywords=("STARTTLS", "AUTH PLAIN"))
    assert verdicts(await examine(server, tmp_path)) == {
        "submission-auth-in-clear": FAILED,
        "submission": PASSED,
    }


async def test_a_port_that_takes_mail_of_strangers_gets_a_message(tmp_path: Path) -> None:
    server = taking(ALL)
    outcomes = await examine(server, tmp_path)
    assert outcomes["submission"].verdict is UNTESTED
    assert len(outcomes["submission"].messages) == 1
    assert len(server.messages) == 1


async def test_a_port_without_starttls_is_tried_in_clear(tmp_path: Path) -> None:
    server = taking(ALL, clear_keywords=())
    outcomes = await examine(server, tmp_path)
    assert len(outcomes["submission"].messages) == 1


@pytest.mark.parametrize("answers", [DEMANDING, ALL])
async def test_tls_from_the_first_octet_is_spoken(tmp_path: Path, answers: dict[str, str]) -> None:
    server = taking(answers, tls_first=True)
    outcomes = await examine(server, tmp_path)
    assert outcomes.keys() == {"submissions"}
    one = outcomes["submissions"]
    assert one.verdict is (PASSED if answers is DEMANDING else UNTESTED)
    assert len(one.messages) == len(server.messages) == (answers is ALL)
    assert any("TLS handshake: TLSv1.3" in line.text for line in one.transcript)


async def test_a_port_that_speaks_no_tls_leaves_it_untested(tmp_path: Path) -> None:
    server = taking()
    async with server.running(tmp_path):
        visit = visit_of(server.address, 25, submissions_port=server.port, timeout=2)
        await check_submissions(visit)
    assert verdicts(by_name(visit)) == {"submissions": UNTESTED}


async def test_a_port_that_refuses_the_tester_leaves_it_untested(tmp_path: Path) -> None:
    server = taking(greeting="554 5.7.1 Go away")
    assert set(verdicts(await examine(server, tmp_path)).values()) == {UNTESTED}


async def test_a_handshake_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        visit = visit_of("127.0.0.1", 25, submissions_port=port, timeout=0.3)
        async with asyncio.timeout(5):
            await check_submissions(visit)
    assert verdicts(by_name(visit)) == {"submissions": UNTESTED}


async def test_closed_ports_pass() -> None:
    visit = visit_of(
        "127.0.0.1", 25, submission_port=free_port(), submissions_port=free_port(), timeout=2
    )
    await check_submission(visit)
    await check_submissions(visit)
    outcomes = by_name(visit)
    assert len(outcomes) == 3
    for one in outcomes.values():
        assert one.verdict is PASSED
        assert one.explanation == "The port is not open."


async def through_a_proxy(socks: str, port: int) -> dict[str, TestOutcome]:
    visit = visit_of("127.0.0.1", 25, submissions_port=port, timeout=5)
    standing = Standing(networks=LOOPBACK, socks=socks)
    visit.caller.standpoint = Standpoint(standing)
    await check_submissions(visit)
    return by_name(visit)


async def test_through_a_proxy_a_closed_port_is_told_from_an_absent_proxy() -> None:
    if (command := shutil.which("microsocks")) is None:
        pytest.skip("needs microsocks")
    proxy = free_port()
    arguments = ("-i", "127.0.0.1", "-p", str(proxy))
    process = await asyncio.create_subprocess_exec(command, *arguments)
    try:
        # It tells nobody when it listens.
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", proxy)
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        writer.close()
        outcomes = await through_a_proxy(f"127.0.0.1:{proxy}", free_port())
        assert outcomes["submissions"].explanation == "The port is not open."
    finally:
        process.kill()
        await process.wait()
    outcomes = await through_a_proxy(f"127.0.0.1:{proxy}", free_port())
    assert verdicts(outcomes) == {"submissions": UNTESTED}


@pytest.mark.parametrize("trouble", Trouble)
def test_only_a_refusal_shows_that_a_port_is_not_open(trouble: Trouble) -> None:
    is_closed = trouble in (Trouble.REFUSED, Trouble.NO_ROUTE)
    assert judge_no_connection(trouble).verdict is (PASSED if is_closed else UNTESTED)
