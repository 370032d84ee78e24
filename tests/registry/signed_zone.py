"""A zone signed in the test: any answer of it, true or crafted, with every time and flag given."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rrset
import dns.zonefile
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dns.dnssectypes import Algorithm
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC import Bitmap as NsecBitmap
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.NSEC3 import Bitmap as Nsec3Bitmap

NOW = 1_800_000_000.0
DAY = 86400
ZONE = "list.example"
TEXT = """\
@ 600 SOA ns hostmaster 1 3600 600 86400 300
@ 600 NS ns
ns 600 A 192.0.2.1
mail.one.org 600 A 127.0.0.2
mail.one.org 600 TXT "v=countersign1; pin=3 1 1 00ff"
mx.two.org 600 A 127.0.0.2
mx.two.org 600 TXT "v=countersign1"
spam.three.net 600 TXT "v=countersign1; reason=spam"
"""
IN = dns.rdataclass.IN
Answer = TypeVar("Answer")
Tamper = Callable[[dns.message.QueryMessage], dns.message.QueryMessage]


class Key:
    """A key pair of a zone."""

    def __init__(self, *, is_secure_entry: bool, algorithm: Algorithm, flags: int = 0) -> None:
        self.private: Any
        if algorithm == Algorithm.ED25519:
            self.private = ed25519.Ed25519PrivateKey.generate()
        elif algorithm in (Algorithm.RSASHA1NSEC3SHA1, Algorithm.RSASHA256):
            self.private = rsa.generate_private_key(65537, 2048)
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())
        flags |= 257 if is_secure_entry else 256
        self.record: Any = dns.dnssec.make_dnskey(self.private.public_key(), algorithm, flags)


class SignedZone:
    """A zone with its keys and its chain of NSEC or NSEC3 records."""

    def __init__(
        self,
        text: str = TEXT,
        *,
        nsec3: bool = False,
        opt_out: bool = False,
        iterations: int = 0,
        algorithm: Algorithm = Algorithm.ECDSAP256SHA256,
        inception: float = NOW - DAY,
        expiration: float = NOW + DAY,
        keys: tuple[Key, Key] | None = None,
    ) -> None:
        self.apex = dns.name.from_text(ZONE)
        self.inception = int(inception)
        self.expiration = int(expiration)
        self.keys = keys or (
            Key(is_secure_entry=True, algorithm=algorithm),
            Key(is_secure_entry=False, algorithm=algorithm),
        )
        self.nsec3, self.opt_out, self.iterations, self.salt = nsec3, opt_out, iterations, b"\xab"
        self.nodes: dict[dns.name.Name, dict[RdataType, dns.rrset.RRset]] = {}
        for rrset in dns.zonefile.read_rrsets(text, rdclass=None, origin=self.apex):
            self.nodes.setdefault(rrset.name, {})[rrset.rdtype] = rrset
        self.dnskeys = dns.rrset.from_rdata(self.apex, 600, *(key.record for key in self.keys))
        self.nodes[self.apex][RdataType.DNSKEY] = self.dnskeys
        self.chain = self._nsec3_chain() if nsec3 else self._nsec_chain()
        self.tamper: Tamper = lambda message: message
        self.questions: list[tuple[str, str]] = []

    @property
    def anchor(self) -> str:
        """The secure entry key as DS record."""
        ds = dns.dnssec.make_ds(self.apex, self.keys[0].record, "SHA256")
        return f"{self.apex} 3600 IN DS {ds}"

    async def ask(
        self,
        name: dns.name.Name,
        kind: RdataType,
        accept: Callable[[dns.message.QueryMessage], Awaitable[Answer]],
    ) -> Answer:
        self.questions.append((name.to_text(), kind.name))
        return await accept(reparsed(self.tamper(self.respond(name, kind))))

    def signature(self, rrset: dns.rrset.RRset, key: Key | None = None, **other: Any) -> Any:
        """An RRSIG of an RRset; ``other`` replaces what is right in it, before it is signed."""
        of_keys = rrset.rdtype == RdataType.DNSKEY
        key = key or self.keys[0 if of_keys else 1]
        settings = {
            "inception": self.inception,
            "expiration": self.expiration,
            "signer": self.apex,
            **other,
        }
        return dns.dnssec.sign(rrset, key.private, dnskey=key.record, **settings)

    def signed(
        self, rrset: dns.rrset.RRset, *signatures: Any, owner: dns.name.Name | None = None
    ) -> list[dns.rrset.RRset]:
        """An RRset with its signatures, as they stand in an answer."""
        records = signatures or (self.signature(rrset),)
        both = [rrset.copy(), dns.rrset.from_rdata(rrset.name, rrset.ttl, *records)]
        for each in both:
            each.name = owner or each.name
        return both

    def respond(self, name: dns.name.Name, kind: RdataType) -> dns.message.QueryMessage:
        """The true answer, as an authoritative server gives it."""
        response = empty_response(name, kind)
        node = self.nodes.get(name)
        if node is not None and kind in node:
            response.answer += self.signed(node[kind])
            return response
        wildcard = self._wildcard_for(name)
        if wildcard is not None and kind in self.nodes[wildcard]:
            response.answer += self.signed(self.nodes[wildcard][kind], owner=name)
            response.authority += self._sign_all(self.covering(name))
            return response
        response.authority += self.signed(self.nodes[self.apex][RdataType.SOA])
        if self.exists(name):
            found = self.matching(name) or self.covering(name)
            response.authority += self._sign_all(found)
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority += self._sign_all(self.name_error(name))
        return response

    def exists(self, name: dns.name.Name) -> bool:
        return any(known.is_subdomain(name) for known in self.nodes)

    def matching(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The chain's record at a name."""
        owner = self.hashed(name) if self.nsec3 else name
        return [rrset for rrset in self.chain if rrset.name == owner]

    def covering(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The chain's record whose gap a name lies in."""
        owner = self.hashed(name) if self.nsec3 else name
        before = [rrset for rrset in self.chain if rrset.name < owner]
        return [max(before or self.chain, key=lambda rrset: rrset.name)]

    def name_error(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        encloser, next_closer = self._enclosers(name)
        wildcard = dns.name.from_text("*", encloser)
        if self.nsec3:
            found = self.matching(encloser) + self.covering(next_closer) + self.covering(wildcard)
        else:
            found = self.covering(name) + self.covering(wildcard)
        return list({rrset.name: rrset for rrset in found}.values())

    def hashed(self, name: dns.name.Name) -> dns.name.Name:
        label = dns.dnssec.nsec3_hash(name, self.salt, self.iterations, "SHA1").lower()
        return dns.name.from_text(label, self.apex)

    def _enclosers(self, name: dns.name.Name) -> tuple[dns.name.Name, dns.name.Name]:
        next_closer = name
        while not self.exists(next_closer.parent()):
            next_closer = next_closer.parent()
        return next_closer.parent(), next_closer

    def _wildcard_for(self, name: dns.name.Name) -> dns.name.Name | None:
        if self.exists(name):
            return None
        wildcard = dns.name.from_text("*", self._enclosers(name)[0])
        return wildcard if wildcard in self.nodes else None

    def _sign_all(self, rrsets: Iterable[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
        return [part for rrset in rrsets for part in self.signed(rrset)]

    def _nsec_chain(self) -> list[dns.rrset.RRset]:
        names = sorted(self.nodes)
        return [
            nsec_rrset(name, following, [*self.nodes[name], RdataType.NSEC, RdataType.RRSIG])
            for name, following in zip(names, [*names[1:], names[0]], strict=True)
        ]

    def _nsec3_chain(self) -> list[dns.rrset.RRset]:
        depth = len(self.apex)
        chained = {
            name.split(length)[1]
            for name in self.nodes
            for length in range(depth, len(name) + 1)
            if not (self.opt_out and set(self.nodes[name]) == {RdataType.NS})
        }
        by_hash = sorted((self.hashed(name), name) for name in chained)
        following = [owner for owner, _ in by_hash[1:]] + [by_hash[0][0]]
        return [
            self.nsec3_rrset(owner, after, list(self.nodes.get(name, ())))
            for (owner, name), after in zip(by_hash, following, strict=True)
        ]

    def nsec3_rrset(
        self,
        owner: dns.name.Name,
        following: dns.name.Name,
        kinds: list[RdataType],
        *,
        flags: int | None = None,
        algorithm: int = 1,
    ) -> dns.rrset.RRset:
        windows = Nsec3Bitmap.from_rdtypes([*kinds, RdataType.RRSIG] if kinds else [])
        record = NSEC3(
            IN,
            RdataType.NSEC3,
            algorithm,
            int(self.opt_out) if flags is None else flags,
            self.iterations,
            self.salt,
            base64.b32hexdecode(following.labels[0].upper()),
            windows,
        )
        return dns.rrset.from_rdata(owner, 300, record)


def nsec_rrset(
    owner: dns.name.Name, following: dns.name.Name, kinds: list[RdataType]
) -> dns.rrset.RRset:
    record = NSEC(IN, RdataType.NSEC, following, NsecBitmap.from_rdtypes(kinds))
    return dns.rrset.from_rdata(owner, 300, record)


def empty_response(name: dns.name.Name, kind: RdataType) -> dns.message.QueryMessage:
    query = dns.message.make_query(name, kind, want_dnssec=True)
    response: Any = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    return response  # type: ignore[no-any-return]


def reparsed(message: dns.message.QueryMessage) -> dns.message.QueryMessage:
    """A message as it comes from the wire."""
    parsed: Any = dns.message.from_wire(message.to_wire(max_size=65535))
    return parsed  # type: ignore[no-any-return]


def name_of(text: str) -> dns.name.Name:
    """A name of the zone."""
    return dns.name.from_text(text, dns.name.from_text(ZONE))
