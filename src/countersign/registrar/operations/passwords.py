"""Passwords: which are good enough, and how they are kept (Argon2id, RFC 9106).

Hashing takes a tenth of a second and much memory on purpose: never inside a transaction.
"""

from __future__ import annotations

import functools
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import HashingError, InvalidHashError, VerificationError

from countersign.registrar.operations.office import OperationError
from countersign.rules.passwords import MAX_LENGTH, weakness

MIN_LENGTH = 12
_AT_ONCE = 4

# OWASP's figures for one lane, doubled in time: 46 MiB, 2 passes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
_turns = threading.BoundedSemaphore(_AT_ONCE)
"""Bounds the memory that people who sign in at once can take."""


def check_strength(password: str, *words: str) -> None:
    """Raise :class:`OperationError` unless a new password is good enough.

    words: what an attacker would try first: name, address, the registrar's own name.
    """
    problem = weakness(password, words, min_length=MIN_LENGTH)
    if problem is not None:
        raise OperationError(problem)


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    with _turns:
        try:
            return _HASHER.hash(_normalised(password))
        except HashingError:
            raise OperationError("The password could not be processed: try it again.") from None


def verify(kept: str, password: str) -> bool:
    """Tell whether a password is right.

    Takes as long where nothing is kept: whoever asks does not learn whether there is an account.
    """
    with _turns:
        try:
            good = _HASHER.verify(kept or _decoy(), _normalised(password[: 4 * MAX_LENGTH]))
        except (VerificationError, InvalidHashError):
            return False
    return good and bool(kept)


def is_outdated(kept: str) -> bool:
    """Tell whether a password was hashed with other figures than today's."""
    return _HASHER.check_needs_rehash(kept)


@functools.cache
def _decoy() -> str:
    return _HASHER.hash("nobody has this password")


def _normalised(password: str) -> str:
    # The same password, typed on another system, may come in another composition (NIST
    # SP 800-63B §5.1.1.2).
    return unicodedata.normalize("NFKC", password)
