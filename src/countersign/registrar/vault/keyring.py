"""The keyring: seals and opens blobs, digests identity numbers, gives secrets for signing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from countersign.registrar.vault import envelope
from countersign.registrar.vault.envelope import KEY_SIZE, MasterKey, UnknownKeyError
from countersign.registrar.vault.keyring_file import (
    KeyringError,
    Keys,
    change_mark,
    create_keys,
    locked,
    new_master_key,
    read_keys,
    replace_keys,
)

log = structlog.get_logger()

_DIGEST_LABEL = b"countersign identity number 1"
_SIGNING_LABEL = b"countersign signing key 1: "


class Keyring:
    """Keys in a file, which several processes share.

    What one process changes the others see at their next use. Safe to share among threads.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Read the keyring, made first if there is none.

        create: False where there are blobs already, which a new keyring could not open. Raises
        :class:`KeyringError`.
        """
        self._path = path
        if create and not path.exists():
            create_keys(path)
        self._mark: tuple[int, int, int] | None = None
        self._keys = read_keys(path)

    @property
    def current_key_id(self) -> str:
        """The id of the master key that seals now."""
        return self._current().id

    def key_ids(self) -> dict[str, datetime]:
        """Return the ids of all master keys, and when each was made, the oldest first."""
        self._read_if_changed()
        return dict(sorted(self._keys.made.items(), key=lambda entry: entry[1]))

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt; see :func:`envelope.seal`."""
        return envelope.seal(plaintext, context, self._current())

    def open(self, blob: bytes, context: bytes) -> bytes:
        """Decrypt what was sealed for this context.

        Raises :class:`envelope.DamagedError`, :class:`envelope.UnknownKeyError`, and
        :class:`ValueError` for an empty or overlong context.
        """
        return envelope.unseal(blob, context, self._master(envelope.key_id_of(blob)))

    def needs_rewrap(self, blob: bytes) -> bool:
        """Tell whether a blob is under an older master key.

        Raises :class:`envelope.DamagedError`.
        """
        return envelope.key_id_of(blob) != self.current_key_id

    def rewrap(self, blob: bytes) -> bytes:
        """Put a blob under the current master key; the payload stays octet for octet.

        Raises :class:`envelope.DamagedError`, :class:`envelope.UnknownKeyError`.
        """
        new = self._current()
        return envelope.wrap_anew(blob, self._master(envelope.key_id_of(blob)), new)

    def rotate(self) -> str:
        """Add a new master key, which seals from now on, and return its id.

        Raises :class:`KeyringError`.
        """
        with locked(self._path):
            keys, master = read_keys(self._path), new_master_key()
            self._write(
                replace(
                    keys,
                    masters={**keys.masters, master.id: master},
                    made={**keys.made, master.id: datetime.now(UTC)},
                    current=master.id,
                )
            )
        return master.id

    def retire(self, key_id: str, is_in_use: Callable[[str], bool]) -> None:
        """Remove an old master key for ever: what is still under it can never be opened again.

        is_in_use: tells of a key's id whether any blob is under it. Another process may have
        sealed under the key until it saw the rotation, and may commit later: let the longest
        transaction end between rotation and retirement. Raises :class:`KeyringError`.
        """
        with locked(self._path):
            keys = read_keys(self._path)
            if key_id not in keys.masters:
                raise KeyringError(f"there is no master key {key_id} in the keyring")
            if key_id == keys.current:
                raise KeyringError("this is the current master key: rotate first")
            if is_in_use(key_id):
                raise KeyringError(f"{key_id} is in use: put what is under it under the new one")
            self._write(
                replace(
                    keys,
                    masters={name: key for name, key in keys.masters.items() if name != key_id},
                    made={name: made for name, made in keys.made.items() if name != key_id},
                )
            )

    def digest_number(self, kind: str, country: str, number: str) -> str:
        """Return the keyed hash of an identity number: HMAC-SHA256, 64 hexadecimal digits.

        number: in the one form that ``particulars.numbers.normalise_number`` gives. Raises
        :class:`ValueError` for an empty one.
        """
        if not number:
            raise ValueError("an empty number has no digest")
        digest = hmac.new(self._keys.digest_key, _DIGEST_LABEL, hashlib.sha256)
        for part in (kind, country, number):
            octets = part.encode()
            # With their lengths, so that no two triples run together to the same octets.
            digest.update(len(octets).to_bytes(4, "big") + octets)
        return digest.hexdigest()

    def signing_key(self, purpose: str) -> bytes:
        """Return the secret of 32 octets that tokens or cookies of one purpose are signed with."""
        info = _SIGNING_LABEL + purpose.encode()
        return HKDF(SHA256(), KEY_SIZE, None, info).derive(self._keys.signing_secret)

    def _current(self) -> MasterKey:
        self._read_if_changed()
        keys = self._keys
        return keys.masters[keys.current]

    def _master(self, key_id: str) -> MasterKey:
        if key_id not in self._keys.masters:
            self._read_if_changed()
        try:
            return self._keys.masters[key_id]
        except KeyError:
            raise UnknownKeyError(key_id) from None

    def _read_if_changed(self) -> None:
        try:
            # The mark is taken first: a change in between is seen the next time.
            mark = change_mark(self._path)
            if mark != self._mark:
                self._keys = read_keys(self._path)
                self._mark = mark
        except (OSError, KeyringError) as error:
            # What was read before goes on serving: people's work must not stop here.
            log.error("keyring not readable, the last good copy serves", reason=str(error))

    def _write(self, keys: Keys) -> None:
        replace_keys(self._path, keys)
        self._keys = keys
