"""Answers of one zone, proven or refused (RFC 4035 §5)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdatatype import RdataType

from countersign.registry.dns_records import (
    MAX_NEGATIVE_TTL,
    NotAuthenticError,
    Records,
    has_soa,
    negative_ttl,
)
from countersign.registry.dnssec import nsec
from countersign.registry.dnssec.anchors import Anchors
from countersign.registry.dnssec.asking import Ask
from countersign.registry.dnssec.keys import KeySet, ZoneKeys
from countersign.registry.dnssec.nsec3 import Nsec3Proof
from countersign.registry.dnssec.signatures import SignatureChecker, UnknownKeyError

MAX_DENIALS = 8
"""NSEC or NSEC3 RRsets in one answer; a proof needs three at most."""
# DS is the parent's to answer; the others are no RRsets with a signature of their own.
_NOT_VALIDATED = frozenset({RdataType.DS, RdataType.RRSIG, RdataType.SIG, RdataType.NSEC3})


class ZoneValidator:
    """Asks for names of one zone, and believes only what its keys have signed.

    What is not proven raises :class:`NotAuthenticError`: it is never read as 'no'. Aliases are
    not followed and wildcards not expanded: a registry's zone has neither. An old answer can be
    replayed until its signatures expire: those who sign the zone choose how long that is.
    """

    def __init__(
        self, anchors: Anchors, ask: Ask, *, clock: Callable[[], float] = time.time
    ) -> None:
        """``ask`` with DO set, and CD towards resolvers; ``clock`` gives Unix seconds."""
        self._zone = anchors.zone
        self._ask = ask
        self._clock = clock
        self._keys = ZoneKeys(anchors, ask, clock)

    async def look_up(self, name: dns.name.Name, kind: RdataType) -> Records:
        """Return the proven records of a name, or the proof that there are none.

        Raises :class:`ResolutionFailedError`, :class:`NotAuthenticError` among them.
        """
        if not name.is_subdomain(self._zone):
            raise NotAuthenticError("a name outside of the zone that there is a trust anchor for")
        if kind in _NOT_VALIDATED or dns.rdatatype.is_metatype(kind):
            raise NotAuthenticError("records of a type that cannot be validated alone")

        async def accept(response: dns.message.QueryMessage) -> Records:
            return await self.validate(name, kind, response)

        return await self._ask(name, kind, accept)

    async def validate(
        self, name: dns.name.Name, kind: RdataType, response: dns.message.QueryMessage
    ) -> Records:
        """Return what a response proves of a name; the errors are those of :meth:`look_up`."""
        keys = await self._keys.current()
        try:
            return self._judge(name, kind, response, keys)
        except UnknownKeyError:
            return self._judge(name, kind, response, await self._keys.later_than(keys))

    def _judge(
        self, name: dns.name.Name, kind: RdataType, response: dns.message.QueryMessage, keys: KeySet
    ) -> Records:
        checker = SignatureChecker(self._zone, keys.usable, self._clock())
        rcode = response.rcode()
        if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NotAuthenticError("an answer with an error code")
        rrset = response.get_rrset(response.answer, name, dns.rdataclass.IN, kind)
        if rrset is None:
            return self._deny(name, kind, response, checker)
        if rcode == dns.rcode.NXDOMAIN:
            raise NotAuthenticError("an answer that says both yes and no")
        return Records(tuple(rrset), exists=True, ttl=checker.check(response.answer, rrset))

    def _deny(
        self,
        name: dns.name.Name,
        kind: RdataType,
        response: dns.message.QueryMessage,
        checker: SignatureChecker,
    ) -> Records:
        denials = [rrset for rrset in response.authority if _is_denial(rrset)]
        if len(denials) > MAX_DENIALS:
            raise NotAuthenticError("an answer with too many denials")
        ttls = [checker.check(response.authority, rrset) for rrset in denials]
        exists = response.rcode() != dns.rcode.NXDOMAIN
        if not self._proves(name, kind, exists, denials):
            raise NotAuthenticError("an empty answer without a proof that there is nothing")
        # The SOA need not be proven here: it can but shorten what the denials allow (RFC 9077).
        soa_ttl = negative_ttl(response) if has_soa(response) else MAX_NEGATIVE_TTL
        return Records((), exists=exists, ttl=min(*ttls, soa_ttl, MAX_NEGATIVE_TTL))

    def _proves(
        self, name: dns.name.Name, kind: RdataType, exists: bool, denials: list[dns.rrset.RRset]
    ) -> bool:
        nsecs = _records_of(denials, RdataType.NSEC)
        if nsecs and exists:
            return nsec.proves_no_data(self._zone, name, kind, nsecs)
        if nsecs:
            return nsec.proves_no_name(self._zone, name, nsecs)
        nsec3s = _records_of(denials, RdataType.NSEC3)
        if not nsec3s:
            return False
        proof = Nsec3Proof(self._zone, nsec3s)
        return proof.proves_no_data(name, kind) if exists else proof.proves_no_name(name)


def _is_denial(rrset: dns.rrset.RRset) -> bool:
    return rrset.rdclass == dns.rdataclass.IN and rrset.rdtype in (RdataType.NSEC, RdataType.NSEC3)


def _records_of(rrsets: list[dns.rrset.RRset], kind: RdataType) -> list[tuple[dns.name.Name, Any]]:
    return [(rrset.name, record) for rrset in rrsets if rrset.rdtype == kind for record in rrset]
