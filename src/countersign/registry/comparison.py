"""Compare two copies of the zone, name by name, without holding either in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import RRSIG, SOA, ZONEMD, kind_of, split_node

Nodes = Iterable[tuple[bytes, bytes]]
"""(key, node) in key order."""
_NSEC, _DNSKEY, _NSEC3, _NSEC3PARAM, _CDS, _CDNSKEY, _DS = 47, 48, 50, 51, 59, 60, 43
_BIND_PROGRESS = 65534
"""How far BIND is with signing, which it notes at the apex (its `sig-signing-type`)."""
_OF_DNSSEC = frozenset({RRSIG, _NSEC, _DNSKEY, _NSEC3, _NSEC3PARAM, _CDS, _CDNSKEY, _DS})
_OF_APEX = _OF_DNSSEC | {SOA, ZONEMD, _BIND_PROGRESS}


class Difference(NamedTuple):
    """A name of which two copies say different things."""

    key: bytes
    one: list[bytes]
    """Records that only the first copy has."""
    other: list[bytes]
    """Records that only the second has."""


class OutOfOrderError(ValueError):
    """Nodes that do not come in key order."""


def differences(one: Nodes, other: Nodes) -> Iterator[Difference]:
    """Give each name that differs, in order. Raises :class:`OutOfOrderError`."""
    left, right = _Cursor(one), _Cursor(other)
    while left.key is not None or right.key is not None:
        key = min(key for key in (left.key, right.key) if key is not None)
        ours, theirs = left.take(key), right.take(key)
        if ours != theirs:
            had, has = split_node(ours), split_node(theirs)
            only = set(had).symmetric_difference(has)
            yield Difference(
                key,
                [record for record in had if record in only],
                [record for record in has if record in only],
            )


def content_of(nodes: Nodes) -> Iterator[tuple[bytes, bytes]]:
    """Give nodes without what each server makes itself: DNSSEC, and the apex's SOA and ZONEMD.

    So a copy that was signed on the way can be compared with the original.
    """
    for key, node in nodes:
        left_out = _OF_APEX if key == APEX else _OF_DNSSEC
        content = b"".join(one for one in split_node(node) if kind_of(one) not in left_out)
        if content:
            yield key, content


class _Cursor:
    """The next node of a stream; ``key`` is None at its end."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = iter(nodes)
        self.key: bytes | None = None
        self._node = b""
        self._advance()

    def take(self, key: bytes) -> bytes:
        """Return the node of a key and go on; empty if the stream does not have it."""
        if key != self.key:
            return b""
        node = self._node
        self._advance()
        return node

    def _advance(self) -> None:
        before = self.key
        self.key, self._node = next(self._nodes, (None, b""))
        if before is not None and self.key is not None and self.key <= before:
            raise OutOfOrderError("the names of a copy do not come in order")
