"""Host names that may be registered."""

from __future__ import annotations

from countersign.protocol.address import AddressSyntaxError, normalise_hostname

RESERVED = frozenset((
    "alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan",
    "local", "localdomain", "localhost", "mail", "onion", "private", "test",
))  # fmt: skip
"""Last labels that the public DNS does not delegate (RFC 2606, 6761, 6762, 7686, 8375, 9476;
ICANN's list of collisions)."""
_RESERVED_DOMAINS = ("example.com", "example.net", "example.org")


def normalise_registrable(text: str, *, allow_reserved: bool = False) -> str:
    """Return the lower-case A-label form of a host name that may be registered.

    allow_reserved: let names under ``.example`` and the like pass, as in the demo. Raises
    :class:`ValueError` whose text says what to do.
    """
    try:
        name = normalise_hostname(text)
    except AddressSyntaxError:
        raise ValueError("Check the host name: it looks like mail.example.com.") from None
    if "_" in name:
        raise ValueError("Use a host name without underscores.")
    check_public_name(name, allow_reserved=allow_reserved)
    return name


def check_public_name(name: str, *, allow_reserved: bool = False) -> None:
    """Raise :class:`ValueError` unless a normalised name can be one in the public DNS."""
    labels = name.split(".")
    if len(labels) < 2:
        raise ValueError("Give the whole name, with its domain, such as mail.example.com.")
    if allow_reserved:
        return
    if (
        labels[-1] in RESERVED
        or name.endswith(tuple(f".{domain}" for domain in _RESERVED_DOMAINS))
        or name in _RESERVED_DOMAINS
    ):
        raise ValueError("This name is reserved and not in the public DNS: use the real one.")
