"""The keyring: what is sealed opens there only, rotation loses nothing, races make one keyring."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.registrar.vault.envelope import (
    MAX_PLAINTEXT,
    OVERHEAD,
    DamagedError,
    UnknownKeyError,
    VaultError,
    key_id_of,
)
from countersign.registrar.vault.keyring import Keyring
from countersign.registrar.vault.keyring_file import KeyringError

contexts = st.binary(min_size=1, max_size=100)
never = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keys") / "keyring.json")


@given(st.binary(max_size=2000), contexts)
def test_what_is_sealed_opens_again(keyring: Keyring, plaintext: bytes, context: bytes) -> None:
    blob = keyring.seal(plaintext, context)
    assert keyring.open(blob, context) == plaintext
    assert len(blob) == len(plaintext) + OVERHEAD
    assert len(plaintext) < 8 or plaintext not in blob
    assert keyring.seal(plaintext, context) != blob


@given(st.binary(max_size=100), contexts, contexts)
def test_a_blob_opens_for_its_own_context_only(
    keyring: Keyring, plaintext: bytes, context: bytes, other: bytes
) -> None:
    blob = keyring.seal(plaintext, context)
    if other != context:
        with pytest.raises(DamagedError):
            keyring.open(blob, other)


def test_any_flipped_bit_and_any_cut_is_noticed(keyring: Keyring) -> None:
    blob = keyring.seal(b"licence 12 345 678", b"document:17")
    for place in range(len(blob)):
        for bit in range(8):
            broken = bytearray(blob)
            broken[place] ^= 1 << bit
            with pytest.raises(VaultError):
                keyring.open(bytes(broken), b"document:17")
        with pytest.raises(VaultError):
            keyring.open(blob[:place], b"document:17")
    with pytest.raises(VaultError):
        keyring.open(blob + b"\0", b"document:17")


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: b"CSE\x01" + rest))
def test_nothing_that_was_not_sealed_opens(keyring: Keyring, blob: bytes) -> None:
    for attempt in (
        lambda: keyring.open(blob, b"x"),
        lambda: keyring.rewrap(blob),
    ):
        with pytest.raises(VaultError):
            attempt()


def test_wrapped_keys_of_two_blobs_cannot_be_exchanged(keyring: Keyring) -> None:
    one, other = (keyring.seal(text, b"same") for text in (b"one", b"two"))
    head = OVERHEAD - 12 - 16
    with pytest.raises(DamagedError):
        keyring.open(one[:head] + other[head:], b"same")


def test_what_is_too_large_or_belongs_nowhere_is_not_sealed(keyring: Keyring) -> None:
    for plaintext, context in ((b"x", b""), (b"x", b"x" * 1025), (bytes(MAX_PLAINTEXT + 1), b"x")):
        with pytest.raises(ValueError, match="octets"):
            keyring.seal(plaintext, context)


@never
@given(st.lists(st.sampled_from(["seal", "rotate", "rewrap"]), max_size=12))
def test_rotation_keeps_everything_readable(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    ring = Keyring(tmp_path_factory.mktemp("keys") / "keyring.json")
    blobs = [ring.seal(b"0", b"0")]
    for number, step in enumerate(steps, 1):
        if step == "seal":
            blobs.append(ring.seal(str(len(blobs)).encode(), str(len(blobs)).encode()))
        elif step == "rotate":
            before = ring.current_key_id
            assert ring.rotate() == ring.current_key_id != before
        else:
            blobs[number % len(blobs)] = ring.rewrap(blobs[number % len(blobs)])
        for name, blob in enumerate(blobs):
            assert ring.open(blob, str(name).encode()) == str(name).encode()


def test_rewrapping_leaves_the_payload_and_satisfies_the_need(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keyring.json")
    blob = ring.seal(b"text" * 100, b"here")
    assert not ring.needs_rewrap(blob)
    new = ring.rotate()
    assert ring.needs_rewrap(blob)
    rewrapped = ring.rewrap(blob)
    assert key_id_of(rewrapped) == new
    assert not ring.needs_rewrap(rewrapped)
    assert rewrapped[-416:] == blob[-416:]


def test_a_master_key_is_retired_only_when_nothing_is_under_it(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keyring.json")
    blob = ring.seal(b"text", b"here")
    old = key_id_of(blob)
    with pytest.raises(KeyringError, match="rotate first"):
        ring.retire(old, lambda _: False)
    ring.rotate()
    with pytest.raises(KeyringError, match="in use"):
        ring.retire(old, lambda key_id: key_id == key_id_of(blob))
    assert list(ring.key_ids()) == [old, ring.current_key_id]
    rewrapped = ring.rewrap(blob)
    ring.retire(old, lambda key_id: key_id == key_id_of(rewrapped))
    assert list(ring.key_ids()) == [ring.current_key_id]
    assert ring.open(rewrapped, b"here") == b"text"
    with pytest.raises(UnknownKeyError, match=old):
        ring.open(blob, b"here")
    with pytest.raises(KeyringError, match="no master key"):
        ring.retire(old, lambda _: False)


def test_processes_see_each_others_rotations(tmp_path: Path) -> None:
    one, other = (Keyring(tmp_path / "keyring.json") for _ in range(2))
    new = one.rotate()
    blob = one.seal(b"text", b"here")
    assert other.open(blob, b"here") == b"text"
    assert other.current_key_id == new
    other.rotate()
    assert key_id_of(one.seal(b"text", b"here")) == other.current_key_id
    assert len(one.key_ids()) == 3


def test_a_keyring_that_vanishes_goes_on_serving_from_memory(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    ring = Keyring(path)
    blob = ring.seal(b"text", b"here")
    path.unlink()
    assert ring.open(ring.seal(b"text", b"here"), b"here") == ring.open(blob, b"here")


def test_a_lost_keyring_is_not_replaced_where_there_are_blobs(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="cannot read"):
        Keyring(tmp_path / "keyring.json", create=False)
    assert not list(tmp_path.iterdir())


def test_digests_depend_on_every_part_and_on_the_key(keyring: Keyring, tmp_path: Path) -> None:
    digest = keyring.digest_number("ssn", "US", "536904399")
    assert len(bytes.fromhex(digest)) == 32
    assert digest == keyring.digest_number("ssn", "US", "536904399")
    others = {
        keyring.digest_number("passport", "US", "536904399"),
        keyring.digest_number("ssn", "PR", "536904399"),
        keyring.digest_number("ssn", "US", "536904398"),
        keyring.digest_number("ss", "nUS", "536904399"),
        keyring.digest_number("ssn", "US5", "36904399"),
        Keyring(tmp_path / "other.json").digest_number("ssn", "US", "536904399"),
    }
    assert len(others | {digest}) == 7
    keyring.rotate()
    assert keyring.digest_number("ssn", "US", "536904399") == digest
    with pytest.raises(ValueError, match="empty"):
        keyring.digest_number("ssn", "US", "")


def test_each_purpose_is_signed_with_its_own_secret(keyring: Keyring) -> None:
    assert len(keyring.signing_key("session")) == 32
    assert keyring.signing_key("session") == keyring.signing_key("session")
    assert keyring.signing_key("session") != keyring.signing_key("confirmation")


def test_the_file_is_private_and_no_key_shows_in_texts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keyring.json"
    ring = Keyring(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["keyring.json"]
    secret = next(iter(json.loads(path.read_text())["master_keys"].values()))["key"]
    assert secret not in repr(ring._keys) + repr(ring._current())
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring(path)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", '{"version": 2}', "\xff", '{"version": 1, "master_keys": []}',
     '{"version": 1, "master_keys": {"zz": {"key": "", "made": ""}}}'],
)  # fmt: skip
def test_a_broken_keyring_is_neither_used_nor_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(KeyringError, match="backup"):
        Keyring(path)
    assert path.read_bytes() == content.encode("latin-1")


_RACER = """
import sys
from pathlib import Path
from countersign.registrar.vault.keyring import Keyring
print("ready", flush=True)
sys.stdin.readline()
ring = Keyring(Path(sys.argv[1]))
print(ring.seal(b"text", b"here").hex(), ring.digest_number("a", "b", "c"), ring.rotate())
"""


def test_eight_processes_that_race_make_one_keyring_and_lose_no_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(8)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=100)[0].split() for racer in racers]
    ring = Keyring(path)
    assert {digest for _, digest, _ in answers} == {ring.digest_number("a", "b", "c")}
    assert all(ring.open(bytes.fromhex(blob), b"here") == b"text" for blob, _, _ in answers)
    assert {key_id for _, _, key_id in answers} < set(ring.key_ids())
    assert len(ring.key_ids()) == 9
