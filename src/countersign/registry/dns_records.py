"""What a DNS question is answered with, and what is raised when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype

MAX_TTL = 86400
"""Seconds for which any answer may be kept."""
MAX_NEGATIVE_TTL = 3600


class ResolutionFailedError(Exception):
    """The DNS could not answer: time-out, SERVFAIL, REFUSED, lame servers. Not a 'no'."""


class NotAuthenticError(ResolutionFailedError):
    """There was an answer, but nothing proves it: neither a 'yes' nor a 'no'."""


@dataclass(frozen=True, slots=True)
class Records:
    """An answer: the records' data, or none."""

    data: tuple[Any, ...]
    exists: bool
    """False: NXDOMAIN. True with no data: NODATA."""
    ttl: float
    """Seconds."""
    is_certain: bool = True
    """False: an empty answer without SOA, as a lame server gives it too (RFC 2308 §2.2)."""


def read_records(response: dns.message.QueryMessage) -> Records:
    """Return what a response says, aliases followed, whether proven or not.

    Raises :class:`dns.exception.DNSException` when it contradicts itself.
    """
    answer = response.resolve_chaining().answer
    if answer is not None:
        return Records(tuple(answer), exists=True, ttl=min(answer.ttl, MAX_TTL))
    exists = response.rcode() != dns.rcode.NXDOMAIN
    is_certain = not exists or has_soa(response)
    return Records((), exists=exists, ttl=negative_ttl(response), is_certain=is_certain)


def has_soa(response: dns.message.Message) -> bool:
    """Say whether a response names the start of authority that a 'no' comes with."""
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)


def negative_ttl(response: dns.message.Message) -> float:
    """Return how long a 'no' holds: the SOA's minimum, or its own TTL (RFC 2308 §5)."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            soa: Any = rrset[0]
            return float(min(rrset.ttl, soa.minimum, MAX_NEGATIVE_TTL))
    return 0.0
