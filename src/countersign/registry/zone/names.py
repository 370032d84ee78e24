r"""Owner names of one zone as sort keys: their order is the DNS's own (RFC 4034 §6.1).

A key is ``.`` and the labels from the zone's apex downwards, lower case, with NUL between them:
``mail.example.org`` below the apex is ``b".org\0example\0mail"``, the apex itself ``b"."``. So
a name and all below it are one stretch of keys, as LMDB or ``sorted()`` order them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import dns.exception
import dns.name

APEX = b"."
MAX_KEY = 255
"""Octets; an owner name has 255 at most, the zone's own included (RFC 1035 §2.3.4)."""
_SEPARATOR = b"\0"


class OwnerNameError(ValueError):
    """A name that cannot be in the zone."""


def key_of(labels: Sequence[bytes]) -> bytes:
    """Return the key of an owner name.

    labels: relative to the zone, the leaf's first, of any case. Raises :class:`OwnerNameError`.
    """
    if any(_SEPARATOR in label or not label for label in labels):
        raise OwnerNameError("an owner name with an empty label or a NUL in it")
    key = APEX + _SEPARATOR.join(reversed(labels)).lower()
    if len(key) > MAX_KEY:
        raise OwnerNameError("an owner name that is too long")
    return key


def host_key(hostname: str) -> bytes:
    """Return the key of a normalised hostname (lower case, A-labels, no final dot)."""
    return APEX + _SEPARATOR.join(hostname.encode("ascii").split(b".")[::-1])


def below(key: bytes, *labels: bytes) -> bytes:
    """Return the key of a name below another one; labels from the top downwards."""
    parts = labels if key == APEX else (key[1:], *labels)
    return APEX + _SEPARATOR.join(parts)


def labels_of(key: bytes) -> list[bytes]:
    """Return the labels of a key's owner name, the leaf's first."""
    return [] if key == APEX else key[1:].split(_SEPARATOR)[::-1]


def wire_of(key: bytes) -> bytes:
    """Return the owner name in wire format, relative to the zone: without what ends it."""
    return b"".join(bytes((len(label),)) + label for label in labels_of(key))


def text_of(key: bytes) -> str:
    """Return the owner name in presentation format, relative to the zone; ``@`` for the apex."""
    return dns.name.Name(labels_of(key)).to_text()


def zone_wire(zone: str) -> bytes:
    """Return a zone's name in wire format, lower case. Raises :class:`OwnerNameError`."""
    try:
        return dns.name.from_text(zone.lower().rstrip(".") + ".").to_digestable()
    except dns.exception.DNSException as error:
        raise OwnerNameError(f"{zone!r} is no name of a zone: {error}") from None


def address_labels(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[bytes, ...]:
    """Return an address as labels from the top downwards (RFC 5782 §2.1, §2.4)."""
    if isinstance(address, ipaddress.IPv4Address):
        return tuple(b"%d" % octet for octet in address.packed)
    return tuple(digit.encode() for digit in address.packed.hex())
