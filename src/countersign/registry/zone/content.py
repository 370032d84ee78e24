"""What the zone says: servers, their addresses, keys and vouchers (DESIGN §7).

Below the zone's name:

=========================================  =====================================================
``<hostname>``                             A 127.0.0.2 and TXT: registered; TXT alone: suspended
                                           (RFC 5782 §2.2)
``<selector>._domainkey.<hostname>``       TXT: a signing key (RFC 6376 §3.6.1)
``<hostname>._vouch``                      TXT ``all`` (RFC 5518 §4)
``<reversed address>.ip``                  A 127.0.0.2 and a TXT for each registered server there
                                           (RFC 5782 §2.1, §2.4)
``test``, ``2.0.0.127.ip``, ``2.0…f.ip``   listed always (RFC 5782 §5)
apex                                       SOA, NS, TXT, ZONEMD
=========================================  =====================================================

``invalid``, 127.0.0.1 and ::ffff:127.0.0.1 are never listed.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dns.exception
import dns.name

from countersign.registry.lookup import Standing
from countersign.registry.zone.names import (
    APEX,
    MAX_KEY,
    OwnerNameError,
    address_labels,
    below,
    host_key,
)
from countersign.registry.zone.records import NS, SOA, A, make_node, record, text_record

LISTED = bytes((127, 0, 0, 2))
VERSION = "v=countersign1"
HOSTS_AT_AN_ADDRESS = 20
"""Servers that one address's TXT records name at most."""
RESERVED = frozenset({"ip", "_vouch", "_domainkey", "test", "invalid"})
"""Last labels that a listed hostname may not have: what the zone itself needs."""
_NEVER = frozenset({ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::ffff:127.0.0.1")})
_ALWAYS = (ipaddress.ip_address("127.0.0.2"), ipaddress.ip_address("::ffff:127.0.0.2"))


@dataclass(frozen=True, slots=True)
class Listed:
    """A server as the public sees it."""

    hostname: str
    """Normalised."""
    standing: Standing
    """Registered or suspended."""
    since: datetime.date | None = None
    """Of a suspension."""
    reason: str = ""
    """Of a suspension: public."""
    pins: tuple[str, ...] = ()
    """TLSA form, ``3 1 1 HEX``."""
    keys: tuple[tuple[str, str], ...] = ()
    """(selector, DKIM key record)."""


@dataclass(frozen=True, slots=True)
class Apex:
    """The records of the zone's own name. Names are absolute, without the final dot."""

    primary: str
    """SOA MNAME."""
    mailbox: str
    """SOA RNAME: the address of who is responsible."""
    nameservers: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    """What the apex's TXT record says beside version and serial, e.g. s-day."""
    refresh: int = 300
    retry: int = 60
    expire: int = 14 * 86400
    negative_ttl: int = 60
    ttl: int = 300


def may_be_server(hostname: str) -> bool:
    """Tell whether what is found under a normalised hostname is of a server: not of the zone."""
    labels = hostname.split(".")
    return len(labels) > 1 and labels[-1] not in RESERVED and "_domainkey" not in labels


def can_list(hostname: str, zone: str) -> bool:
    """Tell whether a hostname can be in the zone: it fits, and clashes with nothing of ours."""
    return may_be_server(hostname) and len(f"{hostname}._vouch.{zone}") <= MAX_KEY - 2


def can_sign(hostname: str, selector: str, zone: str) -> bool:
    """Tell whether the name of a host's signing key fits into the zone."""
    return len(f"{selector}._domainkey.{hostname}.{zone}") <= MAX_KEY - 2


def host_nodes(server: Listed, ttl: int) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, node) for all names of one server but those of its addresses."""
    own = host_key(server.hostname)
    facts = [VERSION]
    if server.standing is Standing.REGISTERED:
        facts += [f"pin={pin}" for pin in server.pins]
        records = [record(A, ttl, LISTED), text_record(ttl, "; ".join(facts))]
        yield vouch_key(server.hostname), make_node([text_record(ttl, "all")])
    else:
        facts += [f"since={server.since:%Y-%m-%d}"] if server.since else []
        facts += [f"reason={one_line(server.reason)}"] if server.reason else []
        records = [text_record(ttl, "; ".join(facts))]
    yield own, make_node(records)
    for selector, key in server.keys:
        # A suspension stays out of it: a signature tells who sent, not whether he might.
        yield signing_key(server.hostname, selector), make_node([text_record(ttl, key)])


def host_keys(hostname: str) -> tuple[bytes, bytes, bytes]:
    """Return the keys of a server's own name, its voucher, and the top of its signing keys."""
    own = host_key(hostname)
    return own, vouch_key(hostname), below(own, b"_domainkey")


def vouch_key(hostname: str) -> bytes:
    """Return the key of a server's voucher (RFC 5518 §4.1)."""
    return below(APEX, b"_vouch") + b"\0" + host_key(hostname)[1:]


def signing_key(hostname: str, selector: str) -> bytes:
    """Return the key of a signing key's name (RFC 6376 §3.6.2.1)."""
    labels = [label.encode("ascii") for label in reversed(selector.lower().split("."))]
    key = below(host_key(hostname), b"_domainkey", *labels)
    if len(key) > MAX_KEY:
        raise OwnerNameError("the selector makes the name too long")
    return key


def address_key(address: str) -> bytes:
    """Return the key of an address's name in the IP list."""
    return below(APEX, b"ip", *address_labels(ipaddress.ip_address(address)))


def address_node(address: str, hostnames: Iterable[str], ttl: int) -> bytes:
    """Return the node of an address at which some servers are registered; empty: none is."""
    if ipaddress.ip_address(address) in _NEVER:
        return b""
    texts = [f"{VERSION}; host={name}" for name in sorted(set(hostnames))[:HOSTS_AT_AN_ADDRESS]]
    if ipaddress.ip_address(address) in _ALWAYS:
        texts.append(_TEST_TEXT)
    if not texts:
        return b""
    return make_node([record(A, ttl, LISTED), *(text_record(ttl, text) for text in texts)])


_TEST_TEXT = f"{VERSION}; test entry (RFC 5782, section 5)"


def test_nodes(ttl: int) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, node) of the entries that are always there (RFC 5782 §5)."""
    node = make_node([record(A, ttl, LISTED), text_record(ttl, _TEST_TEXT)])
    yield below(APEX, b"test"), node
    for address in _ALWAYS:
        yield address_key(str(address)), address_node(str(address), (), ttl)


def apex_node(apex: Apex, serial: int, digests: Sequence[bytes] = ()) -> bytes:
    """Return the apex's node.

    Its TXT record says the serial too, because a server that signs the zone on the way counts its
    own in the SOA record. digests: its ZONEMD records. Raises :class:`OwnerNameError`.
    """
    named = (("serial", str(serial)), *apex.facts)
    facts = "; ".join([VERSION, *(f"{name}={one_line(value)}" for name, value in named)])
    return make_node(
        [
            record(SOA, apex.ttl, _soa(apex, serial)),
            *(record(NS, apex.ttl, _name(one)) for one in apex.nameservers),
            text_record(apex.ttl, facts),
            *digests,
        ]
    )


def published_serial(text: str) -> int | None:
    """Return the registrar's own serial, from the apex's TXT record; None: it does not say."""
    version, _, facts = text.partition(";")
    found = re.search(r"(?:^|;) *serial=([0-9]{1,10}) *(?:;|$)", facts)
    if version.strip() != VERSION or found is None:
        return None
    serial = int(found[1])
    return serial if serial < 1 << 32 else None


def _soa(apex: Apex, serial: int) -> bytes:
    local, _, domain = apex.mailbox.rpartition("@")
    times = (serial, apex.refresh, apex.retry, apex.expire, apex.negative_ttl)
    responsible = _name(local.replace(".", "\\.") + "." + domain)
    return _name(apex.primary) + responsible + struct.pack("!IIIII", *times)


def _name(text: str) -> bytes:
    try:
        return dns.name.from_text(text.lower().rstrip(".") + ".").to_digestable()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise OwnerNameError(f"{text!r} is no name: {error}") from None


def one_line(text: str) -> str:
    """Return a text as a fact of a TXT record: on one line, and without what ends a fact."""
    return " ".join(text.replace(";", ",").split())
