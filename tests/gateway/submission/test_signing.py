"""The signer of a worker: follows the keys, and passes mail whatever becomes of them."""

from __future__ import annotations

import re
from pathlib import Path

import dkim
import pytest
from structlog.testing import capture_logs

from countersign.gateway.submission.keys import KeyKind, KeyStore
from countersign.gateway.submission.signing import Signer
from countersign.mail.dkim.body import BodyHasher

HOST = "mail.example.com"
FIELDS = (b"From: a@example.com\r\n", b"Subject: Hi\r\n")
BODY = b"Text\r\n"
AT = 1_795_600_000.9


class World:
    """A signer, its keys, and its clock."""

    def __init__(self, directory: Path) -> None:
        self.now = 100.0
        self.store = KeyStore(directory / "submission" / "keys")
        self.signer = Signer(self.store.directory, HOST, clock=lambda: self.now)

    def add(self, kind: KeyKind = KeyKind.ED25519) -> str:
        selector = self.store.make(kind, AT).selector
        self.store.activate(selector, AT)
        return selector

    def sign(self) -> tuple[bytes, ...]:
        hasher = BodyHasher()
        hasher.feed(BODY)
        return self.signer.sign(FIELDS, hasher.digest(), AT)

    def selectors(self, seconds: float = 1.0) -> list[str]:
        """Sign a message, so many seconds later; return the selectors of its signatures."""
        self.now += seconds
        return [re.findall(rb" s=(\w+);", field)[0].decode() for field in self.sign()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_each_key_in_use_makes_a_signature_that_verifies(world: World) -> None:
    names = [world.add(kind) for kind in KeyKind]
    assert world.selectors() == names
    fields = world.sign()
    message = b"".join((*fields, *FIELDS, b"\r\n", BODY))
    records = {
        f"{key.selector}._domainkey.{HOST}.": key.record.encode() for key in world.store.all()
    }
    for index in range(2):
        verified = dkim.DKIM(message).verify(
            index, dnsfunc=lambda name, **_: records[name.decode()]
        )
        assert verified
    assert all(b"t=1795600000;" in field for field in fields)


def test_without_a_key_nothing_is_signed_and_it_is_said_once(world: World) -> None:
    with capture_logs() as logs:
        assert world.selectors() == world.selectors() == []
    assert [entry["event"] for entry in logs] == ["mail is not signed"]


def test_a_change_is_followed_within_a_second_and_not_looked_for_more_often(world: World) -> None:
    first = world.add()
    assert world.selectors() == [first]
    second = world.add()
    assert world.selectors(0.9) == [first]
    assert world.selectors(0.2) == [second]
    world.store.retire(second, AT)
    assert world.selectors() == []


def test_keys_that_become_unreadable_go_on_signing(world: World) -> None:
    name = world.add()
    assert world.selectors() == [name]
    state = world.store.directory / "keys.json"
    good = state.read_bytes()
    state.write_bytes(b"{")
    with capture_logs() as logs:
        assert world.selectors() == world.selectors() == [name]
    assert [entry["event"] for entry in logs] == ["signing keys cannot be read"]
    state.write_bytes(good)
    other = world.add()
    assert world.selectors() == [other]


def test_keys_that_are_unreadable_at_the_start_are_taken_when_they_can_be_read(
    world: World,
) -> None:
    name = world.add()
    path = world.store.directory / f"{name}.pem"
    pem = path.read_bytes()
    path.write_bytes(b"")
    assert world.selectors() == []
    path.write_bytes(pem)
    assert world.selectors() == [name]
