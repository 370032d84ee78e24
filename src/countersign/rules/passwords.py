"""Which new passwords are good enough: hard to guess, by estimate, and not too short. Pure."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 128
"""Characters."""
_WEAKEST_SCORE = 3
"""Of zxcvbn: at least 10⁸ guesses, after its lists of common passwords and words."""
_LOOKED_AT = 72
"""Characters that the estimate looks at: it takes long for more."""
_estimating = threading.Lock()
"""The estimator keeps the words that belong to a person in a global."""


def weakness(password: str, words: Iterable[str], *, min_length: int) -> str | None:
    """Return what is wrong with a new password, for its owner to read; None: it is good enough.

    words: what an attacker would try first: name, address, the name of the place.
    """
    text = unicodedata.normalize("NFKC", password)
    if len(text) < min_length:
        return f"Choose a password of at least {min_length} characters."
    if len(text) > MAX_LENGTH:
        return f"Choose a password of at most {MAX_LENGTH} characters."
    # Imported when a password is chosen: its lists of words are large.
    from zxcvbn import zxcvbn

    own = [part for word in words for part in (word, *word.replace("@", " ").split()) if part]
    with _estimating:
        found = zxcvbn(text[:_LOOKED_AT], user_inputs=own)
    if found["score"] < _WEAKEST_SCORE:
        return (
            "This password is easily guessed: it is common, or made of few words or a pattern. "
            "Take four or more words that have nothing to do with each other, or let a "
            "password manager make one."
        )
    return None
