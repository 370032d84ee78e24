"""Passwords: which are good enough, and how they are kept (Argon2id, RFC 9106).

Hashing takes a tenth of a second and much memory on purpose: never inside a transaction.
"""

from __future__ import annotations

import functools
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import HashingError, InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from countersign.registrar.operations.office import OperationError

MIN_LENGTH = 12
MAX_LENGTH = 128
_WEAKEST_SCORE = 3
"""Of zxcvbn: at least 10⁸ guesses, after its lists of common passwords and words."""
_LOOKED_AT = 72
"""Characters that the estimate looks at: it takes long for more."""
_AT_ONCE = 4

# OWASP's figures for one lane, doubled in time: 46 MiB, 2 passes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
_turns = threading.BoundedSemaphore(_AT_ONCE)
"""Bounds the memory that people who sign in at once can take."""
_estimating = threading.Lock()
"""The estimator keeps the words that belong to a person in a global."""


def check_strength(password: str, *words: str) -> None:
    """Raise :class:`OperationError` unless a new password is good enough.

    words: what an attacker would try first: name, address, the registrar's own name.
    """
    text = _normalised(password)
    if len(text) < MIN_LENGTH:
        raise OperationError(f"Choose a password of at least {MIN_LENGTH} characters.")
    if len(text) > MAX_LENGTH:
        raise OperationError(f"Choose a password of at most {MAX_LENGTH} characters.")
    own = [part for word in words for part in (word, *word.replace("@", " ").split()) if part]
    with _estimating:
        found = zxcvbn(text[:_LOOKED_AT], user_inputs=own)
    if found["score"] < _WEAKEST_SCORE:
        raise OperationError(
            "This password is easily guessed: it is common, or made of few words or a pattern. "
            "Take four or more words that have nothing to do with each other, or let a "
            "password manager make one."
        )


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
