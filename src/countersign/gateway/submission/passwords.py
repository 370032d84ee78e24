"""Passwords of this host's users: which are good enough, and what is kept of them.

Argon2id (RFC 9106) for PLAIN and LOGIN, and the values of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
Making and checking them takes a tenth of a second and much memory on purpose: in threads only.
"""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import (
    HashingError,
    InvalidHashError,
    VerificationError,
    VerifyMismatchError,
)
from scramp import ScramException, ScramMechanism
from scramp.utils import saslprep

from countersign.gateway.submission.sources.interface import SourceUnavailableError
from countersign.rules.passwords import weakness
from countersign.storage.submission.accounts import Credentials, ScramValues

MIN_LENGTH = 10
"""Characters."""
SALT_SIZE = 32
"""Octets of SCRAM's salt."""
KEY_SIZE = 32
"""Octets of SCRAM's keys (SHA-256)."""

_MAX_MEMORY = 1024 * 1024
"""KiB that a hash from elsewhere may want."""
_MAX_PASSES = 64
_MAX_LANES = 16
_SCRAM = ScramMechanism("SCRAM-SHA-256")

# OWASP's figures for one lane, doubled in time: 46 MiB, 2 passes.
HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)


class WeakPasswordError(Exception):
    """A new password is too easily guessed; the text says to its owner what to do."""


def check_strength(password: str, *words: str) -> None:
    """Raise :class:`WeakPasswordError` unless a new password is good enough.

    words: what an attacker would try first: the user's name, this host's.
    """
    problem = weakness(password, words, min_length=MIN_LENGTH)
    if problem is not None:
        raise WeakPasswordError(problem)


def make_credentials(password: str, iterations: int) -> Credentials:
    """Return what is kept of a password. It is not judged: see :func:`check_strength`.

    iterations: rounds of SCRAM's key, 4096 at least; SCRAM is left out for a password that
    SASLprep has no form for (RFC 4013), such as one with emoji.
    """
    return Credentials(argon2_hash(password), _scram_values(password, iterations))


def argon2_hash(password: str) -> str:
    """Return a password's hash. Raises :class:`SourceUnavailableError`: no memory."""
    try:
        return HASHER.hash(prepared(password))
    except HashingError as error:
        raise SourceUnavailableError(f"a password cannot be hashed: {error}") from error


def verify(kept: str, password: str) -> bool:
    """Tell whether a password is the one that was hashed.

    Raises :class:`SourceUnavailableError` if that cannot be told: no memory, a broken hash.
    """
    try:
        return HASHER.verify(kept, prepared(password))
    except VerifyMismatchError:
        return False
    except VerificationError as error:
        raise SourceUnavailableError(f"a password cannot be checked: {error}") from error
    except InvalidHashError as error:
        # Its text may be repeated in the error's.
        raise SourceUnavailableError("the hash of a user's password is broken") from error


def is_outdated(credentials: Credentials, password: str, iterations: int) -> bool:
    """Tell whether a user's password, which was right, would be kept in a better form today."""
    found = extract_parameters(credentials.argon2_hash)
    if (
        found.type is not Type.ID
        or found.memory_cost < HASHER.memory_cost
        or found.time_cost < HASHER.time_cost
    ):
        return True
    if credentials.scram is None:
        # It came as a hash. Some passwords have no form for SCRAM at all.
        return _can_scram(password)
    return credentials.scram.iterations < iterations


def is_usable_hash(text: str) -> bool:
    """Tell whether a hash from elsewhere is Argon2id that can be checked in bounded memory."""
    try:
        found = extract_parameters(text)
    except InvalidHashError:
        return False
    return (
        found.type is Type.ID
        and found.memory_cost <= _MAX_MEMORY
        and found.time_cost <= _MAX_PASSES
        and found.parallelism <= _MAX_LANES
    )


def prepared(text: str) -> str:
    """Return a password in the one form in which it is kept, however it was typed (RFC 4013)."""
    try:
        return saslprep(text) or text
    except ScramException:
        return unicodedata.normalize("NFKC", text)


def _can_scram(password: str) -> bool:
    try:
        return bool(saslprep(password))
    except ScramException:
        return False


def _scram_values(password: str, iterations: int) -> ScramValues | None:
    try:
        made = _SCRAM.make_auth_info(password, iteration_count=iterations)
    except ScramException:
        return None
    return ScramValues(*made)
