"""The keys that sign submitted mail: ``STATE/submission/keys`` (DESIGN §5).

A private key is a PEM file of mode 0600 that is written once and never over another one; how
far each key has come is in ``keys.json``. Several processes may work on it at once. Times are
seconds since the epoch, given by the caller.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from countersign.gateway.once import create_once
from countersign.gateway.submission.key_file import (
    KeyFile,
    KeyKind,
    KeyState,
    KeyStoreError,
    StoredKey,
    give_to_owner_of,
    sync_directory,
)
from countersign.mail.dkim.key_record import SMALLEST_RSA, normalise_selector
from countersign.mail.dkim.signature import SigningKey

__all__ = ["KeyKind", "KeyState", "KeyStore", "KeyStoreError", "StoredKey", "key_directory"]

_BEFORE: dict[KeyState, frozenset[KeyState]] = {
    KeyState.PUBLISHED: frozenset({KeyState.MADE}),
    KeyState.SIGNING: frozenset({KeyState.MADE, KeyState.PUBLISHED, KeyState.RETIRED}),
    KeyState.RETIRED: frozenset({KeyState.SIGNING}),
    KeyState.REVOKED: frozenset({KeyState.MADE, KeyState.PUBLISHED, KeyState.RETIRED}),
}


def key_directory(state_directory: Path) -> Path:
    """Return where a gateway keeps its keys."""
    return state_directory / "submission" / "keys"


class KeyStore:
    """The key directory. All methods may raise :class:`KeyStoreError`."""

    def __init__(self, directory: Path) -> None:
        """directory: see :func:`key_directory`; it is made with the first key."""
        self.directory = directory
        self.file = KeyFile(directory)

    def all(self) -> tuple[StoredKey, ...]:
        """Return all keys that there ever were, the oldest first."""
        return self.file.read()

    def key(self, selector: str) -> StoredKey:
        """Return one key."""
        return _existing({key.selector: key for key in self.all()}, selector)

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Return the keys that sign now, Ed25519 before RSA."""
        signing = [key for key in self.all() if key.state is KeyState.SIGNING]
        return tuple(self._load(key) for key in sorted(signing, key=lambda key: key.kind))

    def make(
        self, kind: KeyKind, at: float, *, selector: str = "", bits: int = SMALLEST_RSA
    ) -> StoredKey:
        """Make a key. Without a selector it gets one by the date, such as cs2611a.

        bits: of an RSA key.
        """
        private = _generate(kind, bits)
        with self.file.changing() as keys:
            taken = keys.keys() | {path.stem for path in self.directory.glob("*.pem")}
            name = _chosen(selector, taken) if selector else _next_selector(at, taken)
            made = SigningKey(name, private)
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            if create_once(self._path(name), pem) != pem:
                raise KeyStoreError(f"{self._path(name)} is there already: take another selector")
            give_to_owner_of(self.directory, self._path(name))
            sync_directory(self.directory)
            keys[name] = StoredKey(
                selector=name,
                kind=kind,
                state=KeyState.MADE,
                record=made.record,
                times={KeyState.MADE: at},
            )
            return keys[name]

    def publish(self, selector: str, at: float) -> StoredKey:
        """Note that the registrar has a key."""
        return self._move(selector, KeyState.PUBLISHED, at)

    def activate(self, selector: str, at: float) -> StoredKey:
        """Let a key sign; the one of its kind that signed until now retires in the same step."""
        with self.file.changing() as keys:
            key = _movable(keys, selector, KeyState.SIGNING)
            self._load(key)
            for other in list(keys.values()):
                if other.kind is key.kind and other.state is KeyState.SIGNING:
                    keys[other.selector] = other.moved(KeyState.RETIRED, at)
            keys[selector] = key.moved(KeyState.SIGNING, at)
            return keys[selector]

    def retire(self, selector: str, at: float) -> StoredKey:
        """Let a key sign no more."""
        return self._move(selector, KeyState.RETIRED, at)

    def revoke(self, selector: str, at: float) -> StoredKey:
        """Note that a key is gone from the DNS, and delete its private half."""
        key = self._move(selector, KeyState.REVOKED, at)
        try:
            self._path(selector).unlink(missing_ok=True)
        except OSError as error:
            raise KeyStoreError(
                f"cannot delete {self._path(selector)}: {error.strerror}"
            ) from error
        return key

    def _move(self, selector: str, state: KeyState, at: float) -> StoredKey:
        with self.file.changing() as keys:
            keys[selector] = _movable(keys, selector, state).moved(state, at)
            return keys[selector]

    def _path(self, selector: str) -> Path:
        return self.directory / f"{selector}.pem"

    def _load(self, key: StoredKey) -> SigningKey:
        path = self._path(key.selector)
        try:
            private = load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise KeyStoreError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, TypeError):
            raise KeyStoreError(f"{path} is no private key in PEM form") from None
        if not isinstance(private, Ed25519PrivateKey | RSAPrivateKey):
            raise KeyStoreError(f"{path} is a key of a kind that does not sign mail")
        signing = SigningKey(key.selector, private)
        if signing.record != key.record:
            raise KeyStoreError(f"{path} is another key than keys.json says: it does not sign")
        return signing


def _generate(kind: KeyKind, bits: int) -> Ed25519PrivateKey | RSAPrivateKey:
    if kind is KeyKind.ED25519:
        return Ed25519PrivateKey.generate()
    return generate_private_key(65537, bits)


def _existing(keys: dict[str, StoredKey], selector: str) -> StoredKey:
    if selector not in keys:
        raise KeyStoreError("there is no such key: countersign keys list shows all")
    return keys[selector]


def _movable(keys: dict[str, StoredKey], selector: str, state: KeyState) -> StoredKey:
    key = _existing(keys, selector)
    if key.state not in _BEFORE[state]:
        raise KeyStoreError(f"key {selector} is {key.state}: it cannot become {state}")
    return key


def _chosen(selector: str, taken: Collection[str]) -> str:
    try:
        name = normalise_selector(selector)
    except ValueError as error:
        raise KeyStoreError(str(error)) from None
    if name in taken:
        raise KeyStoreError(f"there is, or was, a key {name}: a selector is used once")
    return name


def _next_selector(at: float, taken: Collection[str]) -> str:
    month = f"cs{datetime.fromtimestamp(at, UTC):%y%m}"
    return next(name for name in _selectors(month) if name not in taken)


def _selectors(month: str) -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield month + "".join(letters)
