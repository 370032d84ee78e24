"""Signs submitted mail with the keys that are in use (DESIGN §5, RFC 6376)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from countersign.gateway.submission.key_file import KeyStoreError
from countersign.gateway.submission.keys import KeyStore
from countersign.mail.dkim.signature import SigningKey, signature_field

log = structlog.get_logger()

_LOOK_EVERY = 1.0
"""Seconds between looks at whether the keys have changed."""


class Signer:
    """Makes the DKIM-Signature fields of messages; one for a worker.

    Follows changes of the key directory. Keys that cannot be read leave those in use as they are.
    """

    def __init__(
        self, directory: Path, hostname: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """directory: as :class:`KeyStore` keeps it. clock: in seconds, and never set back."""
        self._store = KeyStore(directory)
        self._hostname = hostname
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._mark: tuple[int, int, int] | None = None
        self._next_look = float("-inf")
        self._said = ""

    def sign(self, fields: Sequence[bytes], body_hash: bytes, at: float) -> tuple[bytes, ...]:
        """Return a field for each key in use, each with its CRLF; none if there is no key.

        fields: the header section from the top. body_hash: SHA-256 of the body in relaxed form.
        at: seconds since the epoch.
        """
        return tuple(
            signature_field(fields, body_hash, domain=self._hostname, key=key, at=int(at))
            for key in self._current()
        )

    def _current(self) -> tuple[SigningKey, ...]:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            mark = self._store.file.mark()
            if mark is None or mark != self._mark:
                self._keys = self._store.signing_keys()
                self._mark = mark
        except (KeyStoreError, OSError) as error:
            self._say("signing keys cannot be read", str(error))
            return
        if self._keys:
            self._said = ""
        else:
            self._say("mail is not signed", "no key signs: see countersign keys --help")

    def _say(self, event: str, reason: str) -> None:
        """Say it once, not at each message."""
        if self._said != reason:
            self._said = reason
            log.warning(event, reason=reason)
