"""Trust anchors: what an operator writes down of the zone's keys (RFC 4035 §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.dnssec
import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zonefile
from dns.dnssectypes import Algorithm, DSDigest
from dns.rdtypes.dnskeybase import Flag

ALGORITHMS = frozenset(
    {
        Algorithm.RSASHA256,
        Algorithm.RSASHA512,
        Algorithm.ECDSAP256SHA256,
        Algorithm.ECDSAP384SHA384,
        Algorithm.ED25519,
        Algorithm.ED448,
    }
)
"""Without SHA-1 (RFC 9905): what others have signed into a zone could be made to collide."""
DIGESTS = {DSDigest.SHA256: 32, DSDigest.SHA384: 48}
"""Digest types of DS records, with their sizes in octets."""
MAX_ANCHORS = 16
_MAX_TEXT = 8192
_DNSSEC_PROTOCOL = 3


class AnchorError(ValueError):
    """A trust anchor cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The DS and DNSKEY records of one zone that are trusted."""

    zone: dns.name.Name
    records: tuple[Any, ...]

    def trust(self, key: Any) -> bool:
        """Say whether a DNSKEY is one that the operator has written down."""
        return is_zone_key(key) and any(self._matches(record, key) for record in self.records)

    def _matches(self, anchor: Any, key: Any) -> bool:
        if anchor.rdtype == dns.rdatatype.DNSKEY:
            return bool(anchor == key)
        if anchor.algorithm != key.algorithm or anchor.key_tag != dns.dnssec.key_id(key):
            return False
        made = dns.dnssec.make_ds(self.zone, key, anchor.digest_type, validating=True)
        return bool(made.digest == anchor.digest)


def parse_anchors(zone: str, texts: Sequence[str]) -> Anchors:
    """Parse records as in a zone file: ``list.example. DS 12345 13 2 HEX`` or ``… DNSKEY …``.

    Several at once serve a roll-over: one that matches is enough. Raises :class:`AnchorError`.
    """
    try:
        apex = dns.name.from_text(zone.rstrip(".") + ".").canonicalize()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise AnchorError("the zone's name is none") from error
    records = tuple(record for text in texts for record in _parse(apex, text))
    if not records:
        raise AnchorError("there is no trust anchor: a DS or DNSKEY record of the zone")
    if len(records) > MAX_ANCHORS:
        raise AnchorError(f"there are more than {MAX_ANCHORS} trust anchors")
    return Anchors(apex, records)


def is_zone_key(key: Any) -> bool:
    """Say whether a DNSKEY may sign its zone's data (RFC 4034 §2.1), and we can check it."""
    return (
        key.flags & Flag.ZONE != 0
        and key.flags & Flag.REVOKE == 0
        and key.protocol == _DNSSEC_PROTOCOL
        and key.algorithm in ALGORITHMS
    )


def _parse(apex: dns.name.Name, text: str) -> list[Any]:
    if len(text) > _MAX_TEXT:
        raise AnchorError("a trust anchor is too long")
    try:
        rrsets = dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=0)
    except (dns.exception.DNSException, ValueError, UnicodeError) as error:
        raise AnchorError(f"a trust anchor is no record as in a zone file: {error}") from error
    for rrset in rrsets:
        if rrset.name != apex:
            raise AnchorError(f"a trust anchor is of {rrset.name}, not of {apex}")
        for record in rrset:
            _check(record)
    return [record for rrset in rrsets for record in rrset]


def _check(record: Any) -> None:
    if record.rdtype == dns.rdatatype.DNSKEY:
        if not is_zone_key(record):
            raise AnchorError("a DNSKEY is revoked, no zone key, or of an unfit algorithm")
    elif record.rdtype == dns.rdatatype.DS:
        if record.algorithm not in ALGORITHMS:
            raise AnchorError(f"a DS is of algorithm {record.algorithm}, which is unfit")
        if DIGESTS.get(record.digest_type) != len(record.digest):
            raise AnchorError("a DS needs a SHA-256 or SHA-384 digest of full length")
    else:
        raise AnchorError("a trust anchor is a DS or DNSKEY record")
