"""countersign keys, as an operator uses it, with a DNS and without a registrar."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import dns.zone
import pytest
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.gateway.submission.key_file import KeyKind, KeyState, StoredKey
from countersign.gateway.submission.keys import KeyStore, key_directory
from tests.dns_thread import dns_in_a_thread

HOST, ZONE = "mail.example.com", "registry.example"


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    """A DNS that a test fills."""
    with dns_in_a_thread() as server:
        yield server


class Operator:
    """Somebody with a gateway's configuration."""

    def __init__(self, directory: Path, dns_server: DnsServer) -> None:
        self.dns = dns_server
        self.file = directory / "gateway.toml"
        self.file.write_text(
            f'hostname = "{HOST}"\nstate_directory = "{directory / "state"}"\n'
            f'[registry]\nkind = "dns"\nzone = "{ZONE}"\n'
            f'[dns]\nnameservers = ["{dns_server.endpoint}"]\ntimeout = 0.2\nlifetime = 0.4\n'
        )
        self.store = KeyStore(key_directory(directory / "state"))

    def __call__(self, *arguments: str, code: int = 0) -> str:
        command = ["keys", *arguments, "--config", str(self.file)]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
        text = result.output + result.stderr
        assert result.exit_code == code, text
        return text

    def set(self, key: StoredKey, *records: str) -> None:
        """Put records (default: the key's own) at the key's name in the DNS."""
        texts = [
            " ".join(f'"{part}"' for part in re.findall(".{1,200}", record))
            for record in records or (key.record,)
        ]
        self.dns.set(f"{key.selector}._domainkey.{HOST}", "TXT", *texts)

    def states(self) -> list[KeyState]:
        return [key.state for key in self.store.all()]


@pytest.fixture
def operator(tmp_path: Path, dns_server: DnsServer) -> Operator:
    return Operator(tmp_path, dns_server)


def test_keys_are_made_and_listed(operator: Operator) -> None:
    assert "There are no keys" in operator("list")
    operator("make", "--selector", "own", "--kind", "ed25519")
    operator("make")
    text = operator("list")
    assert "own" in text and "rsa" in text and "made" in text
    listed = json.loads(operator("list", "--json"))
    assert [one["kind"] for one in listed] == ["ed25519", "ed25519", "rsa"]
    assert "PRIVATE" not in json.dumps(listed)
    assert "used once" in operator("make", "--kind", "rsa", "--selector", "own", code=1)
    assert "--kind" in operator("make", "--selector", "more", code=2)


def test_what_is_shown_is_a_zone_file_with_the_very_keys(operator: Operator) -> None:
    operator("make")
    text = operator("show")
    head = f"$TTL 60\n$ORIGIN {HOST}.\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
    alias = dns.zone.from_text(head + text.replace("_domainkey.", "; _domainkey.", 1))
    whole = dns.zone.from_text(head + text.partition("\n; cs")[0])
    assert f"_domainkey.{HOST}.{ZONE}." in str(whole.find_rrset("_domainkey", "DNAME")[0])
    own = dns.zone.from_text(
        head + "\n".join(re.findall(r"^; (\S+\. TXT .*)$", text, re.MULTILINE))
    )
    for key in operator.store.all():
        name = f"{key.selector}._domainkey"
        assert str(alias.find_rrset(name, "CNAME")[0].target) == f"{name}.{HOST}.{ZONE}."
        assert b"".join(own.find_rrset(name, "TXT")[0].strings).decode() == key.record


def test_a_key_signs_when_the_dns_has_it_and_not_before(operator: Operator) -> None:
    operator("make", "--kind", "rsa")
    [key] = operator.store.all()
    operator("publish", "--by-hand")
    assert "keys show" in operator("activate", code=1)
    operator.set(key, key.record.replace("p=", "p=AAAA"))
    operator("activate", code=1)
    operator.set(key, key.record, "v=spf1 -all")
    operator("activate", code=1)
    operator.dns.misbehave(f"{key.selector}._domainkey.{HOST}", Behaviour.SERVFAIL)
    assert "cannot tell" in operator("activate", code=1)
    assert operator.states() == [KeyState.PUBLISHED]
    operator.dns.remove(f"{key.selector}._domainkey.{HOST}")
    operator.set(key)
    operator("activate")
    assert operator.states() == [KeyState.SIGNING]


def test_all_due_keys_go_together_or_not_at_all(operator: Operator) -> None:
    operator("make")
    operator("publish", "--by-hand")
    operator.set(operator.store.all()[0])
    operator("activate", code=1)
    assert operator.states() == [KeyState.PUBLISHED] * 2
    operator("activate", "--unchecked")
    assert operator.states() == [KeyState.SIGNING] * 2


def test_a_key_is_kept_for_the_mail_that_is_under_way(operator: Operator) -> None:
    operator("make", "--kind", "rsa", "--selector", "old")
    operator("activate", "old", "--unchecked")
    assert "cannot become" in operator("revoke", "old", "--by-hand", code=1)
    assert "unsigned" in operator("retire", "old")
    assert "days are left" in operator("revoke", "old", "--by-hand", code=1)
    operator("revoke", "old", "--by-hand", "--keep-days", "0")
    assert "old" not in operator("list")
    assert "old" in operator("list", "--all")


def test_a_stolen_key_ends_at_once(operator: Operator) -> None:
    operator("make", "--kind", "rsa", "--selector", "lost")
    operator("activate", "lost", "--unchecked")
    operator("revoke", "lost", "--by-hand", "--stolen")
    assert operator.states() == [KeyState.REVOKED]
    assert not (operator.store.directory / "lost.pem").exists()


def test_without_a_registrar_the_commands_say_what_to_configure(operator: Operator) -> None:
    operator("make")
    assert "registrar.url" in operator("publish", code=1)
    assert operator.states() == [KeyState.MADE] * 2
    assert "no registrar is configured" in operator("rotate", code=1)
    assert "--by-hand" in operator("publish", code=1)
    assert "there is no such key" in operator("retire", "none", code=1)
    operator("activate", code=1)


def test_a_rotation_says_what_it_did_and_what_comes_next(operator: Operator) -> None:
    text = operator("rotate", "--kind", "ed25519", code=1)
    assert "a new key was made" in text and "publish failed" in text
    [key] = operator.store.all()
    operator.store.publish(key.selector, time.time())
    text = operator("rotate", "--kind", "ed25519")
    assert "waits, because the DNS has no record of it" in text
    assert "signs as soon as the DNS has it" in text
    operator.set(key)
    text = operator("rotate", "--kind", "ed25519")
    assert "it signs now" in text
    assert re.search(r"Next, 20\d\d-.* UTC: ed25519: the next one is made", text)
    assert "made" not in operator("rotate", "--kind", "ed25519").replace("one is made", "")


def test_a_key_that_does_not_come_into_the_dns_is_an_error_after_a_day(operator: Operator) -> None:
    key = operator.store.make(KeyKind.ED25519, time.time())
    operator.store.publish(key.selector, time.time() - 90_000)
    text = operator("rotate", "--kind", "ed25519", code=1)
    assert "not in the DNS after a day" in text
