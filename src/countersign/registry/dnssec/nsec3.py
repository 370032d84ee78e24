"""What NSEC3 records prove (RFC 5155 §8). All given are authentic already."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any

import dns.dnssec
import dns.name
from dns.dnssectypes import NSEC3Hash
from dns.rdatatype import RdataType

from countersign.registry.dns_records import NotAuthenticError
from countersign.registry.dnssec.nsec import hides_what_is_below, lacks_type, wildcard_of

MAX_ITERATIONS = 50
"""RFC 9276 §3.2 asks zones for 0, and lets validators draw a line; the same as BIND's."""
_OPT_OUT = 1
_HASH = re.compile(r"[0-9A-V]{32}\Z")
_HASH_SIZE = 20

Nsec3 = tuple[dns.name.Name, Any]
"""Owner name and NSEC3 data."""


class Nsec3Proof:
    """The NSEC3 records of one answer."""

    def __init__(self, zone: dns.name.Name, records: Sequence[Nsec3]) -> None:
        """Read them. Raises :class:`NotAuthenticError`: many iterations, no one parameter set."""
        self._zone = zone
        self._by_hash = {
            owner.labels[0].decode("ascii").upper(): data
            for owner, data in records
            if _is_readable(zone, owner, data)
        }
        parameters = {(data.iterations, data.salt) for data in self._by_hash.values()}
        if len(parameters) != 1:
            raise NotAuthenticError("there is no one set of NSEC3 parameters")
        ((self._iterations, self._salt),) = parameters
        if self._iterations > MAX_ITERATIONS:
            raise NotAuthenticError("NSEC3 with too many iterations")

    def proves_no_name(self, name: dns.name.Name) -> bool:
        """Say whether a name does not exist, and no wildcard stands in for it (§8.4)."""
        if self._matching(name) is not None:
            return False
        next_closer = name
        while next_closer != self._zone:
            encloser = next_closer.parent()
            data = self._matching(encloser)
            if data is not None:
                return (
                    not hides_what_is_below(data)
                    and self._is_denied(next_closer)
                    and self._is_denied(wildcard_of(encloser))
                )
            next_closer = encloser
        return False

    def proves_no_data(self, name: dns.name.Name, kind: RdataType) -> bool:
        """Say whether a name exists, but has no records of a type (§8.5)."""
        data = self._matching(name)
        return data is not None and lacks_type(data, kind)

    def _matching(self, name: dns.name.Name) -> Any:
        return self._by_hash.get(self._hash(name))

    def _is_denied(self, name: dns.name.Name) -> bool:
        hashed = self._hash(name)
        # A span that is opted out may hold names without saying so (§6).
        return any(
            _covers(owner, _text(data.next), hashed) and data.flags & _OPT_OUT == 0
            for owner, data in self._by_hash.items()
        )

    def _hash(self, name: dns.name.Name) -> str:
        return dns.dnssec.nsec3_hash(name, self._salt, self._iterations, NSEC3Hash.SHA1)


def _is_readable(zone: dns.name.Name, owner: dns.name.Name, data: Any) -> bool:
    """Say whether a record is of a form that we know; others are passed over (§8.1, §8.2)."""
    return (
        len(owner) == len(zone) + 1
        and owner.is_subdomain(zone)
        and _HASH.match(owner.labels[0].decode("ascii", "replace").upper()) is not None
        and data.algorithm == NSEC3Hash.SHA1
        and data.flags & ~_OPT_OUT == 0
        and len(data.next) == _HASH_SIZE
    )


def _covers(owner: str, next_hash: str, hashed: str) -> bool:
    # Base 32 with extended hex keeps the order of the octets: that is what it is for.
    if owner < next_hash:
        return owner < hashed < next_hash
    return hashed > owner or hashed < next_hash


def _text(hashed: bytes) -> str:
    return base64.b32hexencode(hashed).decode("ascii")
