"""The file that holds the keys: JSON, mode 0600, always whole, changed by one process at a time."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from countersign.registrar.vault.envelope import KEY_ID_SIZE, KEY_SIZE, MasterKey, VaultError

MAX_SIZE = 1024 * 1024
_VERSION = 1


class KeyringError(VaultError):
    """The keyring cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What the file holds."""

    masters: dict[str, MasterKey]
    made: dict[str, datetime]
    """When each master key was made."""
    current: str
    """The id of the one that seals."""
    digest_key: bytes
    signing_secret: bytes


def new_master_key() -> MasterKey:
    """Return a new master key."""
    return MasterKey(secrets.token_hex(KEY_ID_SIZE), secrets.token_bytes(KEY_SIZE))


def new_keys() -> Keys:
    """Return the content of a new keyring."""
    master = new_master_key()
    return Keys(
        {master.id: master},
        {master.id: datetime.now(UTC)},
        master.id,
        secrets.token_bytes(KEY_SIZE),
        secrets.token_bytes(KEY_SIZE),
    )


def change_mark(path: Path) -> tuple[int, int, int]:
    """Return what differs when the file has been changed. Raises :class:`OSError`."""
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def read_keys(path: Path) -> Keys:
    """Read a keyring. Raises :class:`KeyringError`; never with a key in its text."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if state.st_mode & 0o077:
                raise KeyringError(f"{path} can be read by others: make it private with chmod 600")
            text = file.read(MAX_SIZE)
    except OSError as error:
        raise KeyringError(f"cannot read the keyring {path}: {error.strerror}") from error
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KeyringError(f"{path} is no keyring: restore it from its backup") from None


def create_keys(path: Path) -> None:
    """Make a new keyring where there is none; of processes that race, one wins.

    Raises :class:`KeyringError`.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _draft(path, new_keys()) as draft, suppress(FileExistsError):
            # A hard link, unlike a rename, does not replace what another process made meanwhile.
            path.hardlink_to(draft)
        _sync_directory(path)
    except OSError as error:
        raise KeyringError(f"cannot make the keyring {path}: {error.strerror}") from error


def replace_keys(path: Path, keys: Keys) -> None:
    """Put other content in a keyring's place, all at once. Raises :class:`KeyringError`."""
    try:
        with _draft(path, keys) as draft:
            draft.replace(path)
        _sync_directory(path)
    except OSError as error:
        raise KeyringError(f"cannot write the keyring {path}: {error.strerror}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes and threads from changing a keyring meanwhile.

    Raises :class:`KeyringError`.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeyringError(f"cannot lock the keyring with {lock}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _draft(path: Path, keys: Keys) -> Iterator[Path]:
    """Write a private file beside the keyring; it is gone afterwards, unless it was renamed."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(_format(keys), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    """Make the directory's entry survive a power cut, as the file's content does."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _format(keys: Keys) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "current": keys.current,
        "master_keys": {
            master.id: {"made": keys.made[master.id].isoformat(), "key": _encode(master.key)}
            for master in keys.masters.values()
        },
        "digest_key": _encode(keys.digest_key),
        "signing_secret": _encode(keys.signing_secret),
    }


def _parse(document: Any) -> Keys:
    if document["version"] != _VERSION:
        raise ValueError("a keyring of another version")
    masters = {
        key_id: MasterKey(_checked_id(key_id), _decode(entry["key"]))
        for key_id, entry in document["master_keys"].items()
    }
    made = {
        key_id: datetime.fromisoformat(entry["made"])
        for key_id, entry in document["master_keys"].items()
    }
    if document["current"] not in masters:
        raise ValueError("the current key is not there")
    return Keys(
        masters,
        made,
        document["current"],
        _decode(document["digest_key"]),
        _decode(document["signing_secret"]),
    )


def _checked_id(key_id: str) -> str:
    if bytes.fromhex(key_id).hex() != key_id or len(key_id) != 2 * KEY_ID_SIZE:
        raise ValueError("not the id of a key")
    return key_id


def _encode(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _decode(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != KEY_SIZE:
        raise ValueError("a key of another size")
    return key
