"""Questions to a DNS server on a given address and port, and whole transfers from it."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.xfr
import dns.zone

from countersign.registry.transfer.keys import TsigKey

SECONDS = 5.0
REFUSED = (dns.xfr.TransferError, dns.tsig.PeerError)
"""How a transfer ends that is not allowed: by response code, or by TSIG error."""


def split(endpoint: str) -> tuple[str, int]:
    """``ADDRESS:PORT`` or ``[IPV6]:PORT`` as two values."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def ask(
    endpoint: str,
    name: str,
    kind: str = "A",
    *,
    tcp: bool = False,
    dnssec: bool = False,
    key: TsigKey | None = None,
    seconds: float = SECONDS,
) -> dns.message.Message:
    """The answer of the server at ``endpoint``, over TCP where UDP was not enough.

    Raises what dnspython raises: :class:`dns.exception.Timeout`, :class:`OSError`, …
    """
    address, port = split(endpoint)
    query = dns.message.make_query(name, kind, want_dnssec=dnssec)
    if key is not None:
        query.use_tsig(key.for_dns())
    if tcp:
        return dns.query.tcp(query, address, seconds, port)
    return dns.query.udp_with_fallback(query, address, seconds, port)[0]


def soa_serial(endpoint: str, zone: str, *, tcp: bool = False) -> int | None:
    """The serial that the server answers with; None where it has no such zone (yet)."""
    try:
        answer = ask(endpoint, zone, "SOA", tcp=tcp)
    except (dns.exception.DNSException, OSError):
        return None
    for rrset in answer.answer:
        if rrset.rdtype == dns.rdatatype.SOA:
            return int(rrset[0].serial)
    return None


def transfer(
    endpoint: str, zone: str, key: TsigKey | None = None, *, seconds: float = 60
) -> dns.zone.Zone:
    """The zone by AXFR. Raises one of ``REFUSED``, and others."""
    address, port = split(endpoint)
    copy = dns.zone.Zone(dns.name.from_text(zone), relativize=False)
    query = dns.message.make_query(zone, dns.rdatatype.AXFR)
    if key is not None:
        query.use_tsig(key.for_dns())
    dns.query.inbound_xfr(address, copy, query, port, timeout=seconds, lifetime=seconds)
    return copy


def transfer_changes(
    endpoint: str, zone: str, serial: int, key: TsigKey | None = None, *, seconds: float = 60
) -> dns.message.Message:
    """The first message of the answer to an IXFR from ``serial``, an RRset for each record."""
    address, port = split(endpoint)
    query = dns.message.make_query(zone, dns.rdatatype.IXFR)
    query.authority.append(
        dns.rrset.from_text(dns.name.from_text(zone), 0, "IN", "SOA", f". . {serial} 0 0 0 0")
    )
    if key is not None:
        query.use_tsig(key.for_dns())
    return dns.query.tcp(query, address, seconds, port, one_rr_per_rrset=True)


def records(zone: dns.zone.Zone, *, but: tuple[str, ...] = ()) -> set[str]:
    """The zone as lines that can be compared, without the types of ``but``."""
    return {
        f"{name} {rdataset.ttl} {dns.rdatatype.to_text(rdataset.rdtype)} {rdata}".lower()
        for name, rdataset in zone.iterate_rdatasets()
        if dns.rdatatype.to_text(rdataset.rdtype) not in but
        for rdata in rdataset
    }


def key_signing_keys(endpoint: str, zone: str) -> list[str]:
    """The zone's DNSKEY records with the SEP flag, as trust anchors for a resolver."""
    answer = ask(endpoint, zone, "DNSKEY", tcp=True)
    return [
        f"{rrset.name} {rrset.ttl} IN DNSKEY {rdata}"
        for rrset in answer.answer
        if rrset.rdtype == dns.rdatatype.DNSKEY
        for rdata in rrset
        if rdata.flags & 1
    ]
