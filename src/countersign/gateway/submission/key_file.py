"""The state file of the key directory: which keys there are, and how far each has come."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_SIZE = 1 << 20
"""Octets of a state file that is read."""


class KeyStoreError(Exception):
    """The keys cannot be read or changed; the text says why, and what to do."""


class KeyKind(StrEnum):
    """What a key is made of."""

    ED25519 = "ed25519"
    RSA = "rsa"


class KeyState(StrEnum):
    """How far a key has come, in this order."""

    MADE = "made"
    PUBLISHED = "published"
    """The registrar has its public half."""
    SIGNING = "signing"
    RETIRED = "retired"
    """It signs no more, but what it signed may still be under way."""
    REVOKED = "revoked"
    """Gone from the DNS; its private half is deleted, its selector is never used again."""


class StoredKey(BaseModel):
    """A key as the state file has it: nothing secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selector: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$")
    kind: KeyKind
    state: KeyState
    record: str = Field(max_length=4000)
    """The public half as in the DNS (RFC 6376 §3.6.1)."""
    times: dict[KeyState, float]
    """When it came to each state: seconds since the epoch."""

    @property
    def since(self) -> float:
        """When it came to its present state."""
        return self.times.get(self.state, 0.0)

    def moved(self, state: KeyState, at: float) -> StoredKey:
        """Return the key in another state."""
        return self.model_copy(update={"state": state, "times": {**self.times, state: at}})


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=1)
    keys: tuple[StoredKey, ...]


class KeyFile:
    """``keys.json`` in the key directory: replaced as a whole, one writer at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "keys.json"

    def mark(self) -> tuple[int, int, int] | None:
        """Return what changes whenever the file does; None: there is no file.

        Raises :class:`OSError`.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def read(self) -> tuple[StoredKey, ...]:
        """Return all keys, the oldest first. Raises :class:`KeyStoreError`."""
        try:
            with self._path.open("rb") as file:
                octets = file.read(MAX_SIZE + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise KeyStoreError(f"cannot read {self._path}: {error.strerror}") from error
        if len(octets) > MAX_SIZE:
            raise KeyStoreError(f"{self._path} is too big to be a list of keys")
        try:
            return _Content.model_validate_json(octets).keys
        except ValidationError:
            raise KeyStoreError(
                f"{self._path} is damaged: put it back from a backup, or move the directory "
                "away and make new keys"
            ) from None

    @contextmanager
    def changing(self) -> Iterator[dict[str, StoredKey]]:
        """Give the keys by selector, to change; they are written when the block ends well.

        One process at a time. The directory is made if need be. Raises :class:`KeyStoreError`.
        """
        try:
            make_private_directory(self._directory)
            lock = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise KeyStoreError(f"cannot write {self._directory}: {error.strerror}") from error
        try:
            give_to_owner_of(self._directory, self._directory / ".lock")
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._remove_drafts()
            before = {key.selector: key for key in self.read()}
            keys = dict(before)
            yield keys
            if keys != before:
                self._write(tuple(keys.values()))
        except OSError as error:
            raise KeyStoreError(f"cannot write {self._directory}: {error.strerror}") from error
        finally:
            os.close(lock)

    def _remove_drafts(self) -> None:
        # Of processes that were killed: whoever has the lock is the only one who writes.
        for pattern in (".keys.json.*", ".*.pem.*"):
            for draft in self._directory.glob(pattern):
                draft.unlink(missing_ok=True)

    def _write(self, keys: tuple[StoredKey, ...]) -> None:
        content = _Content(version=1, keys=keys).model_dump(mode="json")
        draft = self._path.with_name(f".keys.json.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            give_to_owner_of(self._directory, draft)
            draft.replace(self._path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        sync_directory(self._directory)


def make_private_directory(directory: Path) -> None:
    """Make a directory and its parent of mode 0700, for the user who runs the gateway."""
    for one in (directory.parent, directory):
        if not one.exists():
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            give_to_owner_of(one.parent, one)


def give_to_owner_of(model: Path, path: Path) -> None:
    """Give a file that root has made to the user whom the directory ``model`` belongs to."""
    if os.geteuid() != 0:
        return
    owner = model.stat()
    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def sync_directory(directory: Path) -> None:
    """Bring the names in a directory onto the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
