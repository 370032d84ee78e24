"""Session IDs: syntax, and the tag by which a guess is refused unseen (DESIGN §3.2, §11).

The first half of an ID is random; the second is a tag over it, under a secret which the
hosts of one registered name share. The caller supplies the random octets.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import string

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits
_SYNTAX = re.compile(r"[A-Za-z0-9]+\Z")


def is_session_id(text: str, length: int) -> bool:
    """Tell whether the text has the form of a session ID of ``length`` characters."""
    return len(text) == length and _SYNTAX.match(text) is not None


def random_octets_needed(length: int) -> int:
    """Return how many random octets :func:`make_session_id` wants for an ID of ``length``."""
    return length // 2


def make_session_id(secret: bytes, random_octets: bytes, length: int) -> str:
    """Return a new ID of ``length`` characters, ``length`` even.

    ``random_octets`` must come from a CSPRNG, length/2 of them, and be used once.
    Raises :class:`ValueError` if there are too few.
    """
    half = length // 2
    if len(random_octets) < half:
        raise ValueError(f"{half} random octets are needed")
    random_half = _in_alphabet(random_octets, half)
    return random_half + _tag(secret, random_half, length - half)


def has_valid_tag(secret: bytes, session_id: str) -> bool:
    """Tell, in constant time, whether an ID was made with this secret."""
    half = len(session_id) // 2
    expected = _tag(secret, session_id[:half], len(session_id) - half)
    return hmac.compare_digest(expected.encode(), session_id[half:].encode())


def _tag(secret: bytes, random_half: str, length: int) -> str:
    key = hashlib.blake2b(secret, digest_size=64, person=b"session-id-tag").digest()
    mac = hmac.digest(key, random_half.encode("ascii"), "sha512")
    stream = hashlib.shake_256(mac).digest(length)
    return _in_alphabet(stream, length)


def _in_alphabet(octets: bytes, length: int) -> str:
    # A big-endian number in base 62 keeps nearly all the entropy: 8 bits in, 5.95 out.
    number = int.from_bytes(octets, "big")
    characters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        characters.append(ALPHABET[digit])
    return "".join(characters)
