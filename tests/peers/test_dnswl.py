"""The zone is of use to Postfix, Rspamd and SpamAssassin as they come, with what we print."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from typer.testing import CliRunner

from countersign.cli.dnswl import Filter, dnswl_snippet
from countersign.cli.main import app
from tests.peers.dns_peer import skip_without
from tests.peers.dnswl_zone import NAME, NAMED, REGISTERED, STRANGER, parts_of, serve_registry
from tests.peers.knot import Knot
from tests.peers.rspamd import Rspamd
from tests.registry.zone.zones import ZONE

pytestmark = pytest.mark.peer
MESSAGE = (
    b"Received: from client.example (client.example [%s]) by mail.here.example with ESMTP;"
    b" Wed, 25 Nov 2026 10:00:00 +0000\r\n"
    b"From: a@example.net\r\nTo: b@here.example\r\nSubject: x\r\n"
    b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"
)


KEY = rsa.generate_private_key(65537, 2048)


def signed(message: bytes, domain: str) -> bytes:
    """Sign a message without whatever libraries the filters use (RFC 6376, simple/simple)."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = [line for line in head.split(b"\r\n") if line.lower().startswith((b"from:", b"to:"))]
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    field = (
        f"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d={domain}; s=s1;"
        f" h=from:to; bh={digest}; b="
    ).encode()
    covered = b"".join(line + b"\r\n" for line in fields) + field
    signature = KEY.sign(covered, padding.PKCS1v15(), hashes.SHA256())
    return field + base64.b64encode(signature) + b"\r\n" + message


@pytest.fixture(scope="module")
def knot() -> Iterator[Knot]:
    skip_without("knotd")
    public = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    with serve_registry(signing_key=f"s1._domainkey.mail 300 TXT {strings}\n") as running:
        yield running


@pytest.fixture(scope="module")
def postfix_answers() -> dict[str, Any]:
    """What a Postfix answers whose resolver knows the zone: it has a namespace of its own."""
    skip_without("knotd", "postfix", "ip")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    name = f"cs{os.getpid()}dnswl"
    resolver = Path("/etc/netns") / name / "resolv.conf"
    resolver.parent.mkdir(parents=True)
    try:
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        subprocess.run(["ip", "netns", "add", name], check=True)
        inside = [sys.executable, "-m", "tests.peers.dnswl_in_namespace"]
        done = subprocess.run(
            ["ip", "netns", "exec", name, *inside],
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
        assert "ANSWER" in done.stdout, done.stderr
        answers = json.loads(done.stdout.partition("ANSWER")[2])
        assert isinstance(answers, dict)
        return answers
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
        shutil.rmtree(resolver.parent)


@pytest.mark.namespaces
def test_postfix_spares_registered_servers_its_block_lists(
    postfix_answers: dict[str, Any],
) -> None:
    codes = {address: code for address, (code, _) in postfix_answers["smtpd"].items()}
    assert codes == {REGISTERED: 250, NAMED: 250, STRANGER: 554}


@pytest.mark.namespaces
def test_postfix_defers_when_the_zone_cannot_be_asked(postfix_answers: dict[str, Any]) -> None:
    for code, text in postfix_answers["away"].values():
        assert code // 100 == 4, text


@pytest.mark.namespaces
def test_postscreen_lets_registered_servers_pass(postfix_answers: dict[str, Any]) -> None:
    codes = {address: code for address, (code, _) in postfix_answers["postscreen"].items()}
    assert codes[REGISTERED] == 250
    assert codes[STRANGER] == 550


def test_rspamd_knows_a_registered_server(knot: Knot) -> None:
    skip_without("rspamd")
    files = parts_of(dnswl_snippet(Filter.RSPAMD, ZONE))
    local = {name: text for name, text in files.items() if name}
    with Rspamd(local, resolver=knot.listen) as rspamd:
        registered = rspamd.symbols(MESSAGE % REGISTERED.encode(), client=REGISTERED)
        stranger = rspamd.symbols(MESSAGE % STRANGER.encode(), client=STRANGER)
        signature = signed(MESSAGE % STRANGER.encode(), NAME)
        by_signature = rspamd.symbols(signature, client=STRANGER)
        forged = rspamd.symbols(signature.replace(b"Hello", b"Hallo"), client=STRANGER)
    assert registered["COUNTERSIGN_REGISTERED"]["score"] == -3.0
    assert "COUNTERSIGN_REGISTERED" not in stranger
    assert by_signature["COUNTERSIGN_SIGNED"]["score"] == -2.0
    assert "COUNTERSIGN_SIGNED" not in forged


def test_spamassassin_knows_a_registered_server(knot: Knot, tmp_path: Path) -> None:
    skip_without("spamassassin")
    site = tmp_path / "site"
    site.mkdir()
    for file in Path("/etc/spamassassin").glob("*.pre"):
        shutil.copy(file, site)
    text = parts_of(dnswl_snippet(Filter.SPAMASSASSIN, ZONE))["countersign.cf"]
    (site / "countersign.cf").write_text(text)
    (site / "local.cf").write_text(
        f"dns_server {knot.listen}\ndns_available yes\ntrusted_networks 127.0.0.1\n"
        "clear_headers\nadd_header all Tests _TESTSSCORES(,)_\n"
    )
    rules = tmp_path / "rules"
    rules.mkdir()
    # It does not start without any rule of its own kind.
    (rules / "some.cf").write_text("body SOME /hello/i\n")

    def tests_of(address: str) -> str:
        done = subprocess.run(
            [
                *("spamassassin", "-x", "-C", str(rules), f"--siteconfigpath={site}"),
                *("-p", os.devnull),
            ],
            input=MESSAGE % address.encode(),
            capture_output=True,
            check=True,
            timeout=100,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        return done.stdout.decode()

    assert "RCVD_IN_COUNTERSIGN=-3" in tests_of(REGISTERED)
    assert "RCVD_IN_COUNTERSIGN" not in tests_of(STRANGER)


@pytest.mark.parametrize("kind", list(Filter))
def test_the_lines_are_printed_for_a_zone(kind: Filter) -> None:
    shown = CliRunner().invoke(app, ["setup", "dnswl", str(kind), "--zone", "list.example."])
    assert shown.exit_code == 0
    assert "ip.list.example" in shown.stdout
    assert "127.0.0.2" in shown.stdout or "127\\.0\\.0\\.2" in shown.stdout
    assert "registry" not in shown.stdout.partition("ip.list.example")[2].partition("=")[0]
