"""Digests of a whole zone (RFC 8976): the standard one, and one that can be kept up to date.

SIMPLE with SHA-384 goes through the whole zone, which a zone of millions of names cannot afford at
each decision. So the zone carries a second ZONEMD record, of a private-use scheme and algorithm
(RFC 8976 §5.2, §5.3): the sum, modulo 2^2048, of SHAKE128 over each node (AdHash, Bellare and
Micciancio 1997), hashed by SHA-384. It changes with a node by one subtraction and one addition.
Both leave out the apex's ZONEMD records and the signatures over them.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable

from countersign.registry.zone.names import APEX, wire_of
from countersign.registry.zone.records import (
    RRSIG,
    ZONEMD,
    Record,
    kind_of,
    read_node,
    record,
    split_node,
)

SIMPLE, SUM = 1, 240
"""Schemes: of RFC 8976 §5.2, and ours."""
SHA384, SHAKE_SUM = 1, 240
"""Hash algorithms: of RFC 8976 §5.3, and ours."""
SUM_SIZE = 256
"""Octets of a sum."""
_MODULUS = 1 << (8 * SUM_SIZE)
_HEAD = struct.Struct("!IBB")
_DIGEST_SIZE = 48
_LENGTHS = [bytes((length,)) for length in range(256)]


class NodeSum:
    """The sum over a zone's nodes, kept up to date as they change."""

    def __init__(self, octets: bytes = bytes(SUM_SIZE)) -> None:
        self._value = int.from_bytes(octets, "big")

    def add(self, key: bytes, node: bytes) -> None:
        """Count a node in; nothing, if it is empty."""
        if node:
            self._value = (self._value + _element(key, node)) % _MODULUS

    def add_all(self, nodes: Iterable[tuple[bytes, bytes]]) -> None:
        """Count (key, node) in, none of them empty: faster than one by one."""
        # The modulus is taken once: in between the sum grows by some bits only.
        self._value = sum((_element(key, node) for key, node in nodes), self._value) % _MODULUS

    def remove(self, key: bytes, node: bytes) -> None:
        """Count a node out."""
        if node:
            self._value = (self._value - _element(key, node)) % _MODULUS

    def to_bytes(self) -> bytes:
        """Return it as :data:`SUM_SIZE` octets."""
        return self._value.to_bytes(SUM_SIZE, "big")

    def digest(self) -> bytes:
        """Return the digest for a ZONEMD record."""
        return hashlib.sha384(self.to_bytes()).digest()


class SimpleDigest:
    """SIMPLE with SHA-384 (RFC 8976 §3.3.1) over nodes that come in canonical order."""

    def __init__(self, zone: bytes) -> None:
        """``zone``: its name in wire format."""
        self._zone = zone
        self._hash = hashlib.sha384()

    def add(self, key: bytes, node: bytes) -> None:
        """Count the next node in."""
        owner = wire_of(key) + self._zone
        records = split_node(node)
        if key == APEX:
            records = [one for one in records if not _is_of_digest(one)]
        self._hash.update(b"".join(owner + one for one in records))

    def digest(self) -> bytes:
        """Return the digest for a ZONEMD record."""
        return self._hash.digest()


def simple_digest(zone: bytes, nodes: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the SIMPLE digest of (key, node) in canonical order."""
    made = SimpleDigest(zone)
    for key, node in nodes:
        made.add(key, node)
    return made.digest()


def digest_record(ttl: int, serial: int, scheme: int, algorithm: int, digest: bytes) -> bytes:
    """Return a ZONEMD record."""
    return record(ZONEMD, ttl, _HEAD.pack(serial, scheme, algorithm) + digest)


def claimed_digest(apex: bytes, serial: int, scheme: int, algorithm: int) -> bytes | None:
    """Return the digest that an apex claims for this serial; None: none that could be checked.

    Of two records with one scheme and algorithm neither counts (RFC 8976 §4).
    """
    claims = [_claim(one) for one in read_node(apex) if one.kind == ZONEMD]
    wanted = (serial, scheme, algorithm)
    digests = [claim[3] for claim in claims if claim is not None and claim[:3] == wanted]
    return digests[0] if len(digests) == 1 else None


def is_same(one: bytes, other: bytes) -> bool:
    """Compare two digests."""
    return hmac.compare_digest(one, other)


def _claim(found: Record) -> tuple[int, int, int, bytes] | None:
    if len(found.rdata) < _HEAD.size + 12:
        return None
    serial, scheme, algorithm = _HEAD.unpack_from(found.rdata)
    return serial, scheme, algorithm, found.rdata[_HEAD.size :]


def _element(key: bytes, node: bytes) -> int:
    if key == APEX:
        node = b"".join(one for one in split_node(node) if not _is_of_digest(one))
    hashed = hashlib.shake_128(_LENGTHS[len(key)] + key + node)
    return int.from_bytes(hashed.digest(SUM_SIZE), "big")


def _is_of_digest(octets: bytes) -> bool:
    """Tell whether a record is a ZONEMD, or a signature over it (RFC 8976 §3.3.1)."""
    kind = kind_of(octets)
    return kind == ZONEMD or (kind == RRSIG and octets[10:12] == b"\0\x3f")
