"""Passwords as lists of users have them: in clear, or hashed as Dovecot writes it."""

from __future__ import annotations

from typing import Final

from countersign.gateway.submission.passwords import is_usable_hash

_CLEAR: Final = ("PLAIN", "CLEARTEXT", "CLEAR")
_ARGON2: Final = ("ARGON2ID", "ARGON2")


def split_scheme(password: str) -> tuple[str, str]:
    """Return a password in clear and an Argon2id hash: one of them is empty.

    Raises :class:`ValueError` for a hash that cannot be checked here.
    """
    scheme, text = "", password
    if password.startswith("{") and "}" in password:
        scheme, _, text = password[1:].partition("}")
    scheme = scheme.upper().partition(".")[0]
    if scheme in _CLEAR or (not scheme and not text.startswith("$")):
        if not text or not text.isprintable():
            raise ValueError("the password is empty, or has control characters")
        return text, ""
    if scheme in (*_ARGON2, "CRYPT", "") and text.startswith("$argon2id$"):
        if not is_usable_hash(text):
            raise ValueError("the Argon2id hash is broken, or wants too much memory or time")
        return "", text
    raise ValueError(
        "hashes of this scheme cannot be checked here, only {ARGON2ID}: give a new password, or "
        "let Dovecot check passwords (sign_in.source)"
    )
