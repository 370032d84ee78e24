"""The key directory: private, never written over, safe against other processes and crashes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st

from countersign.gateway.submission.key_file import KeyFile
from countersign.gateway.submission.keys import (
    KeyKind,
    KeyState,
    KeyStore,
    KeyStoreError,
    key_directory,
)

NOVEMBER = 1_795_600_000.0
"""25 November 2026."""


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(key_directory(tmp_path))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def signing(store: KeyStore, kind: KeyKind = KeyKind.ED25519, at: float = NOVEMBER) -> str:
    selector = store.make(kind, at).selector
    store.activate(selector, at)
    return selector


def test_a_key_is_made_private_and_named_by_the_date(store: KeyStore) -> None:
    first, second = (store.make(kind, NOVEMBER) for kind in KeyKind)
    assert (first.selector, second.selector) == ("cs2611a", "cs2611b")
    assert [key.state for key in store.all()] == [KeyState.MADE, KeyState.MADE]
    assert mode(store.directory) == mode(store.directory.parent) == 0o700
    for name in ("cs2611a.pem", "cs2611b.pem", "keys.json", ".lock"):
        assert mode(store.directory / name) == 0o600
    assert "PRIVATE" not in (store.directory / "keys.json").read_text()


def test_there_are_names_for_more_than_a_key_a_day(store: KeyStore) -> None:
    names = [store.make(KeyKind.ED25519, NOVEMBER).selector for _ in range(28)]
    assert names[25:] == ["cs2611z", "cs2611aa", "cs2611ab"]


def test_a_key_goes_its_way_and_no_other(store: KeyStore) -> None:
    name = store.make(KeyKind.ED25519, NOVEMBER).selector
    for wrong in (store.retire,):
        with pytest.raises(KeyStoreError, match="cannot become"):
            wrong(name, NOVEMBER)
    store.publish(name, NOVEMBER + 1)
    store.activate(name, NOVEMBER + 2)
    for wrong in (store.publish, store.activate, store.revoke):
        with pytest.raises(KeyStoreError, match="cannot become"):
            wrong(name, NOVEMBER + 3)
    store.retire(name, NOVEMBER + 4)
    store.activate(name, NOVEMBER + 5)
    store.retire(name, NOVEMBER + 6)
    store.revoke(name, NOVEMBER + 7)
    assert store.key(name).times == {
        KeyState.MADE: NOVEMBER,
        KeyState.PUBLISHED: NOVEMBER + 1,
        KeyState.SIGNING: NOVEMBER + 5,
        KeyState.RETIRED: NOVEMBER + 6,
        KeyState.REVOKED: NOVEMBER + 7,
    }
    assert not (store.directory / f"{name}.pem").exists()
    with pytest.raises(KeyStoreError, match="cannot become"):
        store.activate(name, NOVEMBER + 8)


def test_of_each_kind_one_key_signs(store: KeyStore) -> None:
    old = signing(store)
    rsa = signing(store, KeyKind.RSA)
    new = signing(store, at=NOVEMBER + 9)
    assert store.key(old).state is KeyState.RETIRED
    assert store.key(old).since == NOVEMBER + 9
    assert [key.selector for key in store.signing_keys()] == [new, rsa]


def test_an_rsa_key_has_the_bits_that_were_asked_for(store: KeyStore) -> None:
    store.activate(store.make(KeyKind.RSA, NOVEMBER, bits=3072).selector, NOVEMBER)
    [key] = store.signing_keys()
    assert isinstance(key.private_key, RSAPrivateKey)
    assert key.private_key.key_size == 3072


def test_a_selector_is_never_used_again(store: KeyStore) -> None:
    name = store.make(KeyKind.ED25519, NOVEMBER, selector="Mine").selector
    assert name == "mine"
    store.revoke(name, NOVEMBER)
    with pytest.raises(KeyStoreError, match="used once"):
        store.make(KeyKind.ED25519, NOVEMBER, selector="mine")
    made = store.make(KeyKind.ED25519, NOVEMBER)
    store.revoke(made.selector, NOVEMBER)
    assert store.make(KeyKind.ED25519, NOVEMBER).selector != made.selector


@pytest.mark.parametrize("selector", ["../x", "a b", "-a", "a" * 64, "a..b", "ä"])
def test_a_selector_is_a_name_of_the_dns(store: KeyStore, selector: str) -> None:
    with pytest.raises(KeyStoreError):
        store.make(KeyKind.ED25519, NOVEMBER, selector=selector)
    assert store.all() == ()


def test_what_a_crash_left_is_not_written_over(store: KeyStore) -> None:
    store.make(KeyKind.ED25519, NOVEMBER)
    # A crash after the private half was written, and before the state was.
    orphan = store.directory / "cs2611b.pem"
    orphan.write_bytes(b"of a crash")
    assert store.make(KeyKind.ED25519, NOVEMBER).selector == "cs2611c"
    with pytest.raises(KeyStoreError, match="used once"):
        store.make(KeyKind.ED25519, NOVEMBER, selector="cs2611b")
    assert orphan.read_bytes() == b"of a crash"


def test_a_private_key_that_is_not_the_one_of_the_state_does_not_sign(store: KeyStore) -> None:
    name, other = signing(store), store.make(KeyKind.ED25519, NOVEMBER).selector
    path = store.directory / f"{name}.pem"
    path.write_bytes((store.directory / f"{other}.pem").read_bytes())
    with pytest.raises(KeyStoreError, match="another key"):
        store.signing_keys()
    path.write_bytes(b"no key")
    with pytest.raises(KeyStoreError, match="PEM"):
        store.signing_keys()
    path.unlink()
    with pytest.raises(KeyStoreError, match="cannot read"):
        store.signing_keys()


def test_a_key_without_its_private_half_cannot_take_the_place_of_one_that_signs(
    store: KeyStore,
) -> None:
    old, new = signing(store), store.make(KeyKind.ED25519, NOVEMBER).selector
    (store.directory / f"{new}.pem").unlink()
    with pytest.raises(KeyStoreError):
        store.activate(new, NOVEMBER)
    assert [key.selector for key in store.signing_keys()] == [old]


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_octets_are_a_state_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes
) -> None:
    directory = tmp_path_factory.mktemp("keys")
    (directory / "keys.json").write_bytes(octets)
    with pytest.raises(KeyStoreError):
        KeyFile(directory).read()


def test_a_state_that_is_too_big_is_not_read(store: KeyStore) -> None:
    store.make(KeyKind.ED25519, NOVEMBER)
    (store.directory / "keys.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(KeyStoreError, match="too big"):
        store.all()


def _make_many(directory: Path, count: int) -> None:
    store = KeyStore(directory)
    for _ in range(count):
        store.make(KeyKind.ED25519, NOVEMBER)


def test_processes_that_make_keys_at_once_lose_none(store: KeyStore) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_make_many, args=(store.directory, 5)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    keys = store.all()
    assert len({key.selector for key in keys}) == len({key.record for key in keys}) == 20
    for key in keys:
        store.activate(key.selector, NOVEMBER)
    assert len(store.signing_keys()) == 1


def test_a_process_killed_while_it_makes_keys_leaves_all_that_were_made(store: KeyStore) -> None:
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        before = len(store.all())
        worker = context.Process(target=_make_many, args=(store.directory, 1000))
        worker.start()
        deadline = time.monotonic() + 60
        while len(store.all()) < before + 3:
            assert time.monotonic() < deadline
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join(60)
        assert len(store.all()) >= before + 3
    for key in store.all():
        store.activate(key.selector, NOVEMBER)
    # The lock of whoever was killed is nobody's, and what he had half written is gone.
    store.make(KeyKind.ED25519, NOVEMBER)
    names = {f"{key.selector}.pem" for key in store.all()} | {"keys.json", ".lock"}
    left = {path.name for path in store.directory.iterdir()}
    assert names <= left and not {name for name in left - names if name.startswith(".")}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, which needs root")
def test_keys_that_root_makes_belong_to_the_gateways_user(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 12345, 12346)
    store = KeyStore(key_directory(state))
    signing(store)
    for path in (store.directory.parent, *store.directory.parent.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346), path
