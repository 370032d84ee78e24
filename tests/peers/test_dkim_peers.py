"""OpenDKIM and Rspamd verify our signatures, and find what was changed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.demo.dns_server import DnsServer
from tests.dns_thread import dns_in_a_thread
from tests.mail.dkim.messages import DOMAIN, KEYS, MESSAGES, signed
from tests.peers.dns_peer import skip_without
from tests.peers.rspamd import Rspamd

pytestmark = pytest.mark.peer


def opendkim_says(directory: Path, message: bytes) -> str:
    skip_without("opendkim")
    keys = directory / "keys"
    keys.write_text("".join(f"{key.selector}._domainkey.{DOMAIN} {key.record}\n" for key in KEYS))
    configuration = directory / "opendkim.conf"
    configuration.write_text(f"TestPublicKeys {keys}\nMode v\nSyslog no\n")
    file = directory / "message"
    file.write_bytes(message)
    done = subprocess.run(
        ["opendkim", "-x", str(configuration), "-t", str(file), "-vv"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_opendkim_verifies_messages_of_all_kinds(message: bytes, tmp_path: Path) -> None:
    said = opendkim_says(tmp_path, signed(message))
    assert said.count("dkim=pass") == len(KEYS), said


def test_opendkim_finds_a_second_stamp(tmp_path: Path) -> None:
    message = signed(MESSAGES["stamped"])
    said = opendkim_says(tmp_path, message.replace(b"From: ", b"Message-Tracking: x\r\nFrom: "))
    assert said.count("dkim=fail") == len(KEYS), said


@pytest.fixture(scope="module")
def dns_server() -> Iterator[DnsServer]:
    """A DNS that has our keys."""
    with dns_in_a_thread() as server:
        for key in KEYS:
            strings = [f'"{part}"' for part in re.findall(".{1,200}", key.record)]
            server.set(f"{key.selector}._domainkey.{DOMAIN}", "TXT", " ".join(strings))
        yield server


@pytest.fixture(scope="module")
def rspamd(dns_server: DnsServer) -> Iterator[Rspamd]:
    skip_without("rspamd")
    with Rspamd({}, resolver=dns_server.endpoint) as server:
        yield server


# Rspamd reads the two others otherwise than OpenDKIM and dkimpy, who agree with us: a body of one
# line of spaces is empty (RFC 6376 §3.4.4), and a folded line may be of space alone.
FOR_RSPAMD = {
    name: message for name, message in MESSAGES.items() if name not in ("of spaces", "oddly folded")
}


@pytest.mark.parametrize("message", FOR_RSPAMD.values(), ids=FOR_RSPAMD)
def test_rspamd_verifies_messages_of_all_kinds(message: bytes, rspamd: Rspamd) -> None:
    for key in KEYS:
        symbols = rspamd.symbols(signed(message, [key]), client="192.0.2.1")
        assert symbols["R_DKIM_ALLOW"]["options"] == [f"{DOMAIN}:s={key.selector}"]


def test_rspamd_finds_a_second_stamp(rspamd: Rspamd) -> None:
    for key in KEYS:
        message = signed(MESSAGES["stamped"], [key])
        changed = message.replace(b"From: ", b"Message-Tracking: x\r\nFrom: ")
        assert "R_DKIM_REJECT" in rspamd.symbols(changed, client="192.0.2.1")
