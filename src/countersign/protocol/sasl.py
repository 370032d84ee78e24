"""What clients say in SASL mechanisms that carry a password or a name (RFC 4422).

Pure: octets in, values out. SCRAM itself is done by a library or by Dovecot; only the name is
read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_NAME = 1024
"""Octets of a name."""
MAX_PASSWORD = 1024
"""Octets of a password."""
MAX_SCRAM = 2048
"""Octets of a message of SCRAM (RFC 5802)."""


class SaslSyntaxError(Exception):
    """The mechanism does not allow these octets. The text never repeats them."""


@dataclass(frozen=True, slots=True)
class PlainResponse:
    """What PLAIN carries (RFC 4616 §2)."""

    authorisation: str
    """For whom the client wants to act; empty: for itself."""
    user: str
    password: str = field(repr=False)


def parse_plain(response: bytes) -> PlainResponse:
    """Read the message of PLAIN. Raises :class:`SaslSyntaxError`."""
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise SaslSyntaxError("PLAIN has three parts")
    authorisation, user, password = parts
    return PlainResponse(
        parse_name(authorisation) if authorisation else "",
        parse_name(user),
        parse_password(password),
    )


def plain_response(user: str, password: str) -> bytes:
    """Return the message of PLAIN. Raises :class:`SaslSyntaxError` if it cannot be said."""
    parts = user.encode("utf-8", "surrogatepass"), password.encode("utf-8", "surrogatepass")
    parse_name(parts[0])
    parse_password(parts[1])
    return b"\0" + b"\0".join(parts)


def parse_name(octets: bytes) -> str:
    """Read a name. Raises :class:`SaslSyntaxError`."""
    return _text(octets, MAX_NAME, "a name")


def parse_password(octets: bytes) -> str:
    """Read a password. Raises :class:`SaslSyntaxError`."""
    return _text(octets, MAX_PASSWORD, "a password")


def scram_name(client_first: bytes) -> str:
    """Return the name in a client's first message (RFC 5802 §7).

    Raises :class:`SaslSyntaxError`.
    """
    if len(client_first) > MAX_SCRAM:
        raise SaslSyntaxError(f"a message of SCRAM has at most {MAX_SCRAM} octets")
    # gs2-cbind-flag "," [authzid] "," "n=" saslname "," …
    parts = client_first.split(b",", 3)
    if len(parts) != 4 or not parts[2].startswith(b"n="):
        raise SaslSyntaxError("the client's first message has no name")
    name = parse_name(parts[2].removeprefix(b"n="))
    return name.replace("=2C", ",").replace("=3D", "=")


def _text(octets: bytes, maximum: int, what: str) -> str:
    if not 0 < len(octets) <= maximum:
        raise SaslSyntaxError(f"{what} has 1 to {maximum} octets")
    if b"\0" in octets:
        raise SaslSyntaxError(f"{what} has no NUL")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise SaslSyntaxError(f"{what} is UTF-8") from None
