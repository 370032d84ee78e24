"""Envelope encryption: each blob under its own data key, that one under a master key. Pure.

    blob    = magic key-id wrap-nonce wrapped-key nonce ciphertext
    magic   = "CSE" %x01        ; the last octet is the version
    key-id  = 8OCTET            ; which master key
    wrapped-key = 48OCTET       ; AES-256-GCM of the data key, its tag included
    ciphertext  = *OCTET        ; AES-256-GCM of the plaintext, its tag of 16 octets included

The wrapping authenticates the key's id, the payload the context: so a blob opens only where it
was sealed for, and can be wrapped anew without its context.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_SIZE = 32
KEY_ID_SIZE = 8
MAX_PLAINTEXT = 64 * 1024 * 1024
MAX_CONTEXT = 1024

_MAGIC = b"CSE\x01"
_NONCE = 12
_TAG = 16
_WRAPPED = KEY_SIZE + _TAG
_HEADER = len(_MAGIC) + KEY_ID_SIZE
_PAYLOAD = _HEADER + _NONCE + _WRAPPED
"""Where the payload, with its nonce, begins."""
OVERHEAD = _PAYLOAD + _NONCE + _TAG
"""Octets that sealing adds."""

_WRAP_LABEL = b"countersign vault 1: data key"
_PAYLOAD_LABEL = b"countersign vault 1: payload\0"


class VaultError(Exception):
    """Something cannot be sealed or opened; the text says why, and what to do."""


class DamagedError(VaultError):
    """The blob was altered or cut short, or was sealed for another context."""


class UnknownKeyError(VaultError):
    """The blob is under a master key that the keyring has not."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"sealed under the master key {key_id}, which is not in the keyring: "
            "restore the keyring from its backup"
        )
        self.key_id = key_id


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """A key that wraps data keys."""

    id: str
    """16 hexadecimal digits."""
    key: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id!r})"


def key_id_of(blob: bytes) -> str:
    """Return the id of the master key that a blob is under. Raises :class:`DamagedError`."""
    if len(blob) < OVERHEAD or not blob.startswith(_MAGIC):
        raise DamagedError("this was not sealed here, or has been cut short")
    return blob[len(_MAGIC) : _HEADER].hex()


def seal(plaintext: bytes, context: bytes, master: MasterKey) -> bytes:
    """Encrypt under a new data key.

    context: what the blob belongs to, such as ``b"document:17"``; needed again to open it. Raises
    :class:`ValueError` for an empty or overlong context, or a plaintext too large.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise ValueError(f"more than {MAX_PLAINTEXT} octets cannot be sealed")
    associated = _payload_data(context)
    data_key, nonce = secrets.token_bytes(KEY_SIZE), secrets.token_bytes(_NONCE)
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, associated)
    return b"".join((_wrap(data_key, master), nonce, ciphertext))


def unseal(blob: bytes, context: bytes, master: MasterKey) -> bytes:
    """Decrypt a blob that :func:`seal` made under this master key for this context.

    Raises :class:`DamagedError`, and :class:`ValueError` for an empty or overlong context.
    """
    associated = _payload_data(context)
    data_key = _unwrap(blob, master)
    nonce, ciphertext = blob[_PAYLOAD : _PAYLOAD + _NONCE], blob[_PAYLOAD + _NONCE :]
    try:
        return AESGCM(data_key).decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise DamagedError("altered since it was sealed, or sealed for another place") from None


def wrap_anew(blob: bytes, old: MasterKey, new: MasterKey) -> bytes:
    """Put a blob's data key under another master key; the payload stays octet for octet.

    Raises :class:`DamagedError`.
    """
    return _wrap(_unwrap(blob, old), new) + blob[_PAYLOAD:]


def _wrap(data_key: bytes, master: MasterKey) -> bytes:
    header = _MAGIC + bytes.fromhex(master.id)
    nonce = secrets.token_bytes(_NONCE)
    return header + nonce + AESGCM(master.key).encrypt(nonce, data_key, _WRAP_LABEL + header)


def _unwrap(blob: bytes, master: MasterKey) -> bytes:
    if key_id_of(blob) != master.id:
        raise UnknownKeyError(key_id_of(blob))
    header, nonce = blob[:_HEADER], blob[_HEADER : _HEADER + _NONCE]
    try:
        return AESGCM(master.key).decrypt(
            nonce, blob[_HEADER + _NONCE : _PAYLOAD], _WRAP_LABEL + header
        )
    except InvalidTag:
        raise DamagedError("altered since it was sealed") from None


def _payload_data(context: bytes) -> bytes:
    if not 0 < len(context) <= MAX_CONTEXT:
        raise ValueError(f"a context has 1 to {MAX_CONTEXT} octets")
    return _PAYLOAD_LABEL + context
