"""One RRset against its signatures (RFC 4035 §5.3), with the work bounded.

Hostile answers can hold many keys of one tag and many signatures, each pair of which costs a
public-key operation (CVE-2023-50387, 'KeyTrap'): so the tries are counted per answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dns.dnssec
import dns.exception
import dns.name
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset

from countersign.registry.dns_records import MAX_TTL, NotAuthenticError

CLOCK_SKEW = 300
"""Seconds by which our clock and the signer's may differ."""
MAX_TRIES = 16
"""Signature checks for one answer, the good ones included."""
MAX_SIGNATURES = 8
"""RRSIG records of one RRset."""
MAX_RECORDS = 64
"""Records of one RRset."""


class UnknownKeyError(NotAuthenticError):
    """No signature is by a key that the zone is known to have: there may be a new one."""


class SignatureChecker:
    """Checks the RRsets of one answer against a zone's keys at one moment."""

    def __init__(self, zone: dns.name.Name, keys: Sequence[Any], now: float) -> None:
        """``keys``: DNSKEY records, already trusted; ``now`` in Unix seconds."""
        self._zone = zone
        self._keys = keys
        self._now = now
        self._tries_left = MAX_TRIES

    def check(self, section: list[dns.rrset.RRset], rrset: dns.rrset.RRset) -> float:
        """Return for how many seconds a signed RRset of a section may be kept.

        Raises :class:`NotAuthenticError`, :class:`UnknownKeyError` where a new key might help.
        """
        if len(rrset) > MAX_RECORDS:
            raise NotAuthenticError("an RRset has too many records")
        signatures = _signatures_of(section, rrset)
        if signatures is None:
            raise NotAuthenticError("an RRset is not signed")
        if len(signatures) > MAX_SIGNATURES:
            raise NotAuthenticError("an RRset has too many signatures")
        pairs = list(self._pairs(rrset, signatures))
        if not pairs:
            raise UnknownKeyError("no valid signature by a known key")
        for signature, key in pairs:
            if self._holds(rrset, signature, key):
                return self._lifetime(rrset, signatures, signature)
        raise NotAuthenticError("no signature of an RRset holds")

    def _pairs(
        self, rrset: dns.rrset.RRset, signatures: dns.rrset.RRset
    ) -> Iterator[tuple[Any, Any]]:
        for signature in signatures:
            if self._may_cover(rrset, signature):
                for key in self._keys:
                    if _key_fits(signature, key):
                        yield signature, key

    def _may_cover(self, rrset: dns.rrset.RRset, signature: Any) -> bool:
        # A signature of fewer labels is that of a wildcard. The registry has none, and what
        # one was expanded to would need a proof of its own (RFC 4035 §5.3.4).
        labels = len(rrset.name) - 1 - int(rrset.name.is_wild())
        return (
            rrset.rdclass == dns.rdataclass.IN
            and rrset.name.is_subdomain(self._zone)
            and signature.signer == self._zone
            and signature.type_covered == rrset.rdtype
            and signature.labels == labels
            and signature.inception <= signature.expiration
            and signature.inception - CLOCK_SKEW <= self._now
            and self._now <= signature.expiration + CLOCK_SKEW
        )

    def _holds(self, rrset: dns.rrset.RRset, signature: Any, key: Any) -> bool:
        if self._tries_left == 0:
            raise NotAuthenticError("an answer needs too many signature checks")
        self._tries_left -= 1
        keys: dict[dns.name.Name, Any] = {self._zone: dns.rdataset.from_rdata(0, key)}
        try:
            # The times were looked at above, with the skew that this function does not know.
            dns.dnssec.validate_rrsig(rrset, signature, keys, now=signature.inception)
        except (dns.exception.DNSException, ValueError):
            return False
        return True

    def _lifetime(
        self, rrset: dns.rrset.RRset, signatures: dns.rrset.RRset, signature: Any
    ) -> float:
        """Return the TTL that may be believed (RFC 4035 §5.3.3)."""
        until_expiry = max(0.0, signature.expiration - self._now)
        ttls = (rrset.ttl, signatures.ttl, signature.original_ttl, MAX_TTL)
        return float(min(*ttls, until_expiry))


def _key_fits(signature: Any, key: Any) -> bool:
    return bool(
        key.algorithm == signature.algorithm and dns.dnssec.key_id(key) == signature.key_tag
    )


def _signatures_of(
    section: list[dns.rrset.RRset], rrset: dns.rrset.RRset
) -> dns.rrset.RRset | None:
    for candidate in section:
        if (
            candidate.rdtype == dns.rdatatype.RRSIG
            and candidate.rdclass == dns.rdataclass.IN
            and candidate.covers == rrset.rdtype
            and candidate.name == rrset.name
        ):
            return candidate
    return None
