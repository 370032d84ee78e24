"""`countersign check server`: the battery from the operator's own machine."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from countersign.certification.catalogue import all_tests
from countersign.certification.outcome import Verdict
from countersign.certification.report import Report
from countersign.cli.main import app
from countersign.cli.server_check.selection import UnknownTestError, left_out
from countersign.demo.dns_server import DnsServer
from countersign.transport.certificate import make_self_signed
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix
from tests.registrar.documents.reading import text_of, title_of

HOST = "mail.local.example"
FOREIGN = "probe.example"
NOT_OF_A_PLAIN_SERVER = ("verification*", "smuggling")
"""Tests that a Postfix without the gateway does not pass, or by its version only."""


def invoke(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["check", "server", *arguments], input=answer)


@contextmanager
def dns_server(records: dict[tuple[str, str], str]) -> Iterator[str]:
    """A name server in a thread of its own, as the command has a loop of its own."""
    loop = asyncio.new_event_loop()
    server = DnsServer("127.0.0.1", 0)
    loop.run_until_complete(server.start())
    for (name, kind), value in records.items():
        server.set(name, kind, value)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.endpoint
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class World:
    port: int
    dns: str
    postfix: Postfix

    def options(self, *more: str) -> list[str]:
        without = [part for name in NOT_OF_A_PLAIN_SERVER for part in ("--without", name)]
        return [
            *(HOST, "--port", str(self.port), "--submission-port", "0", "--submissions-port", "0"),
            *("--network", "127.0.0.0/8", "--nameserver", self.dns, "--pause", "0"),
            *("--timeout", "20", "--foreign-domain", FOREIGN, "--hello", "tester.example"),
            *without,
            *more,
        ]


@contextmanager
def postfix_at_work(directory: Path, **settings: Any) -> Iterator[World]:
    skip_without_postfix()
    pair = directory / "pair.pem"
    pair.write_bytes(make_self_signed(HOST))
    mailboxes = ", ".join(f"{user}@local.example=x" for user in ("postmaster", "abuse", "user"))
    values = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": str(pair),
        "virtual_mailbox_maps": f"inline:{{{mailboxes}}}",
    } | settings
    port = free_port()
    records = {(HOST, "A"): "127.0.0.1", ("local.example", "MX"): f"10 {HOST}."}
    with (
        Postfix(HOST, f"127.0.0.1:{port}", settings=values) as postfix,
        dns_server(records) as endpoint,
    ):
        yield World(port, endpoint, postfix)


@pytest.mark.peer
def test_a_closed_postfix_passes(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    with postfix_at_work(tmp_path) as world:
        result = invoke(*world.options("--yes", "--pdf", str(pdf), "--transcript"))
    assert result.exit_code == 0, result.output
    assert "FAILED" not in result.stdout
    assert "mail.local.example: passed" in " ".join(result.stdout.split())
    assert "relay-from-null" in result.stdout
    assert "→ EHLO tester.example" in result.stdout
    assert title_of(pdf.read_bytes()) == "Certification test: mail.local.example"
    assert "Relay from the empty sender" in text_of(pdf.read_bytes())


@pytest.mark.peer
def test_an_open_postfix_fails_when_the_message_arrives(tmp_path: Path) -> None:
    mailbox = free_port()
    with postfix_at_work(
        tmp_path,
        mynetworks="127.0.0.0/8",
        smtpd_relay_restrictions="permit_mynetworks, reject_unauth_destination",
        transport_maps=f"inline:{{{FOREIGN}=smtp:[127.0.0.1]:{mailbox}}}",
    ) as world:
        result = invoke(
            *world.options("--yes", "--mailbox", f"127.0.0.1:{mailbox}", "--software", "postfix")
        )
    assert result.exit_code == 1, result.output
    words = " ".join(result.stdout.split())
    assert "FAILED. The message arrived at the registrar's test mailbox" in words
    assert "smtpd_relay_restrictions = permit_mynetworks" in words
    assert "relay_from_hosts" not in words
    # Many tests were not made for one reason: it is told once.
    assert words.count("could not test. The server took 3 messages") == 1
    # The server finds the mailbox by its transport_maps here.
    assert f"{FOREIGN} has no MX record" in " ".join(result.stderr.split())


@pytest.mark.peer
def test_an_open_postfix_is_neither_passed_nor_failed_without_a_mailbox(tmp_path: Path) -> None:
    with postfix_at_work(
        tmp_path,
        mynetworks="127.0.0.0/8",
        smtpd_relay_restrictions="permit_mynetworks, reject_unauth_destination",
    ) as world:
        result = invoke(*world.options("--yes", "--json"))
    report = Report.from_dict(json.loads(result.stdout))
    assert report.verdict is Verdict.COULD_NOT_TEST
    assert result.exit_code == 2
    relayed = next(one for one in report.findings() if one.name == "relay-from-foreign")
    assert relayed.verdict is Verdict.COULD_NOT_TEST


@pytest.mark.peer
def test_a_single_test_may_be_made(tmp_path: Path) -> None:
    mailbox = f"127.0.0.1:{free_port()}"
    with postfix_at_work(tmp_path) as world:
        result = invoke(
            *world.options("--yes", "--json", "--only", "relay-percent*", "--mailbox", mailbox)
        )
    assert result.exit_code == 0, result.output
    report = Report.from_dict(json.loads(result.stdout))
    names = {finding.name for finding in report.findings()} - {"address", "connection"}
    assert "relay-percent-host" in names
    assert all(name.startswith("relay-percent") for name in names)


def test_a_server_that_is_not_there_could_not_be_tested() -> None:
    with dns_server({(HOST, "A"): "127.0.0.1"}) as endpoint:
        result = invoke(
            *(HOST, "--yes", "--port", str(free_port()), "--network", "127.0.0.0/8"),
            *("--nameserver", endpoint, "--pause", "0", "--timeout", "2"),
        )
    assert result.exit_code == 2
    assert "refused the connection" in " ".join(result.stdout.split())
    assert "could not test" in result.stdout


def test_a_private_address_is_not_tested_unless_it_is_permitted() -> None:
    with dns_server({(HOST, "A"): "127.0.0.1"}) as endpoint:
        result = invoke(HOST, "--yes", "--nameserver", endpoint)
    assert "None of the host's addresses is a public one" in " ".join(result.stdout.split())
    assert result.exit_code == 1


def test_a_mailbox_that_cannot_listen_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        result = invoke(HOST, "--yes", "--mailbox", endpoint, "--foreign-domain", FOREIGN)
    assert result.exit_code == 2
    assert f"{endpoint}: Address already in use" in " ".join(result.stderr.split())


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_nothing_is_tested_without_the_word_of_whoever_is_responsible(answer: str) -> None:
    result = invoke(HOST, "--nameserver", "127.0.0.1:1", answer=answer)
    assert result.exit_code == 2
    assert f"Are you responsible for {HOST}" in result.stderr
    assert "was not tested" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the server"),
        (["a b"], "a b:"),
        ([HOST, "--yes", "--without", "smugling"], "smuggling, smuggling-chunks meant?"),
        ([HOST, "--yes", "--only", "zzz"], "there is no test 'zzz'"),
        ([HOST, "--yes", "--network", "nowhere"], "networks.0"),
        ([HOST, "--yes", "--mailbox", "127.0.0.1:25"], "needs --foreign-domain"),
        (
            [HOST, "--yes", "--mailbox", "nowhere", "--foreign-domain", FOREIGN],
            "ADDRESS:PORT",
        ),
        ([HOST, "--yes", "--pdf", "/nowhere/at/all.pdf"], "is no directory"),
        ([HOST, "--yes", "--socks", "nowhere"], "socks"),
        (["--explain", "smugling"], "smuggling, smuggling-chunks meant?"),
    ],
)
def test_wrong_use_is_told_and_is_no_failure_of_the_server(
    arguments: list[str], words: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_all_tests_are_listed_and_explained() -> None:
    listed = invoke("--list")
    assert listed.exit_code == 0
    assert all(test.name in listed.stdout for test in all_tests())
    explained = invoke("--explain", "smuggling", "--software", "postfix")
    assert explained.exit_code == 0
    assert "    smtpd_forbid_bare_newline = normalize\n" in explained.stdout
    assert "BareLinefeedRejectionEnabled" not in explained.stdout
    assert "CVE-2023-51764" in explained.stdout


def test_names_and_patterns_choose_tests() -> None:
    names = [test.name for test in all_tests()]
    assert left_out((), ()) == ()
    assert left_out(("postmaster",), ()) == ("postmaster",)
    assert set(left_out(("relay-*",), ())) == {n for n in names if n.startswith("relay-")}
    kept = set(names) - set(left_out(("relay-percent",), ("relay-percent*",)))
    assert {"address", "connection", "relay-percent-host"} <= kept
    assert "relay-percent" not in kept
    assert "starttls" not in kept
    # What every test needs cannot be left out.
    assert left_out(("connection",), ()) == ()
    with pytest.raises(UnknownTestError):
        left_out(("nothing",), ())
