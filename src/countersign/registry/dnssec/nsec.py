"""What NSEC records prove (RFC 4035 §5.4, RFC 6840 §4). All given are authentic already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dns.name
import dns.rdatatype
from dns.rdatatype import RdataType

Nsec = tuple[dns.name.Name, Any]
"""Owner name and NSEC data."""


def proves_no_name(zone: dns.name.Name, name: dns.name.Name, records: Sequence[Nsec]) -> bool:
    """Say whether a name does not exist, and no wildcard stands in for it."""
    for record in records:
        if _denies(zone, record, name):
            wildcard = wildcard_of(_closest_encloser(record, name))
            return any(_denies(zone, other, wildcard) for other in records)
    return False


def proves_no_data(
    zone: dns.name.Name, name: dns.name.Name, kind: RdataType, records: Sequence[Nsec]
) -> bool:
    """Say whether a name exists, but has no records of a type."""
    return any(
        lacks_type(data, kind) if owner == name else _is_empty_above(zone, (owner, data), name)
        for owner, data in records
    )


def wildcard_of(encloser: dns.name.Name) -> dns.name.Name:
    """Return the wildcard just below a name."""
    return dns.name.Name((b"*", *encloser.labels))


def lacks_type(data: Any, kind: RdataType) -> bool:
    """Say whether the type bits of a name's own NSEC or NSEC3 leave it without a type."""
    if has_type(data, kind) or has_type(data, RdataType.CNAME):
        return False
    # At a delegation this is the parent's record, which says nothing of the child's data.
    return not _is_delegation(data)


def hides_what_is_below(data: Any) -> bool:
    """Say whether names below the owner are not this zone's to deny (RFC 6840 §4.1)."""
    return _is_delegation(data) or has_type(data, RdataType.DNAME)


def has_type(data: Any, kind: RdataType) -> bool:
    """Say whether a type's bit is set (RFC 4034 §4.1.2)."""
    number, offset = divmod(kind, 256)
    return any(
        window == number and offset // 8 < len(bits) and bits[offset // 8] & (0x80 >> offset % 8)
        for window, bits in data.windows
    )


def _is_delegation(data: Any) -> bool:
    return has_type(data, RdataType.NS) and not has_type(data, RdataType.SOA)


def _denies(zone: dns.name.Name, record: Nsec, name: dns.name.Name) -> bool:
    # A next name below this one makes it exist, without any records (RFC 8020).
    return _covers(zone, record, name) and not record[1].next.is_subdomain(name)


def _is_empty_above(zone: dns.name.Name, record: Nsec, name: dns.name.Name) -> bool:
    return _covers(zone, record, name) and record[1].next.is_subdomain(name)


def _covers(zone: dns.name.Name, record: Nsec, name: dns.name.Name) -> bool:
    """Say whether a name lies in the gap after the owner, in canonical order."""
    owner, data = record
    if not (owner.is_subdomain(zone) and data.next.is_subdomain(zone)):
        return False
    if name.is_subdomain(owner) and hides_what_is_below(data):
        return False
    if owner < data.next:
        return bool(owner < name < data.next)
    # The last of the chain points back to the apex.
    return bool(data.next == zone and owner < name)


def _closest_encloser(record: Nsec, name: dns.name.Name) -> dns.name.Name:
    """Return the longest ancestor of a denied name that exists."""
    owner, data = record
    common = max(name.fullcompare(owner)[2], name.fullcompare(data.next)[2])
    return name.split(common)[1]
