"""A made-up zone of any size: its names are computed, so that nothing is kept in memory."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.content import LISTED, Apex, apex_node
from countersign.registry.zone.digest import SHAKE_SUM, SUM, NodeSum, digest_record
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import A, make_node, read_node, record, text_record

ZONE = "registry.example"
SERIAL = 1_700_000_000
TTL = 300
_TOPS = (
    *("at", "au", "br", "ca", "ch", "com", "cz", "de", "es", "fr", "in", "info", "it", "jp"),
    *("net", "nl", "org", "pl", "se", "uk", "us", "za"),
)
"""In canonical order."""
_REGISTERED = "v=countersign1"
_SUSPENDED = "v=countersign1; since=2026-02-01; reason=Spam was sent from it."
_MASK = (1 << 32) - 1
_APEX = Apex("ns.example.net", "hostmaster@example.net", ("ns.example.net",), ttl=TTL)
_REPORT_EACH = 50_000


class MadeZone:
    """``names`` hostnames: each 20th is suspended, each fifth has a pin."""

    def __init__(self, names: int) -> None:
        self.names = names

    def hostname(self, number: int) -> str:
        top, domain = self._parts(number)
        return f"mail.{domain}.{top}"

    def absent(self, number: int) -> str:
        """Return a name beside one that is listed."""
        top, domain = self._parts(number)
        return f"mail.{domain}x.{top}"

    def is_suspended(self, number: int) -> bool:
        return number % 20 == 7

    def sample(self, count: int, seed: int) -> list[tuple[str, bool]]:
        """Return hostnames at random and whether they are listed: half of them are."""
        draw = random.Random(seed)
        chosen = []
        for _ in range(count):
            number = draw.randrange(self.names)
            is_listed = draw.random() < 0.5 and not self.is_suspended(number)
            chosen.append((self.hostname(number) if is_listed else self.absent(number), is_listed))
        return chosen

    def nodes(self) -> Iterator[tuple[bytes, bytes]]:
        """Give (key, node) of all names but the apex, in canonical order."""
        address = record(A, TTL, LISTED)
        registered = make_node([address, text_record(TTL, _REGISTERED)])
        suspended = make_node([text_record(TTL, _SUSPENDED)])
        for number in range(self.names):
            top, domain = self._parts(number)
            key = b".%b\0%b\0mail" % (top.encode(), domain.encode())
            if self.is_suspended(number):
                yield key, suspended
            elif number % 5 == 0:
                yield key, address + text_record(TTL, _pinned(domain))
            else:
                yield key, registered

    def write_copy(self, directory: Path, advance: Callable[[int], None]) -> bytes:
        """Write the zone as a copy; return its apex's node."""
        with ZoneCopy.open(directory, writable=True) as copy, copy.replacing() as new:
            for count, (key, node) in enumerate(self.nodes()):
                new.put(key, node)
                if count % _REPORT_EACH == 0:
                    advance(_REPORT_EACH)
            total = NodeSum(new.node_sum)
            total.add(APEX, apex_node(_APEX, SERIAL))
            digest = digest_record(TTL, SERIAL, SUM, SHAKE_SUM, total.digest())
            apex = apex_node(_APEX, SERIAL, [digest])
            new.put(APEX, apex)
            new.commit(zone=ZONE, serial=SERIAL, checked_at=time.time(), source="made up")
        return apex

    def write_zone_file(self, path: Path, apex: bytes, advance: Callable[[int], None]) -> None:
        """Write the same as a zone file (RFC 1035 §5)."""
        with path.open("w") as file:
            file.write(f"$ORIGIN {ZONE}.\n$TTL {TTL}\n")
            for one in sorted(read_node(apex), key=lambda one: one.kind != RdataType.SOA):
                kind = RdataType.make(one.kind)
                rdata = dns.rdata.from_wire(RdataClass.IN, kind, one.rdata, 0, len(one.rdata))
                file.write(f"@ {RdataType.to_text(kind)} {rdata.to_text()}\n")
            for number in range(self.names):
                top, domain = self._parts(number)
                owner = f"mail.{domain}.{top}"
                if self.is_suspended(number):
                    file.write(f'{owner} TXT "{_SUSPENDED}"\n')
                else:
                    text = _pinned(domain) if number % 5 == 0 else _REGISTERED
                    file.write(f'{owner} A 127.0.0.2\n{owner} TXT "{text}"\n')
                if number % _REPORT_EACH == 0:
                    advance(_REPORT_EACH)

    def name_list(self) -> str:
        """Return it as a dnset of rbldnsd, which knows no TXT alone: without the suspended."""
        lines = [f":127.0.0.2:{_REGISTERED}"]
        lines += [self.hostname(one) for one in range(self.names) if not self.is_suspended(one)]
        return "\n".join(lines) + "\n"

    def _parts(self, number: int) -> tuple[str, str]:
        # The tail keeps neighbours from being alike to the last digit, and the order as it is.
        tail = number * 2_654_435_761 & _MASK
        return _TOPS[number * len(_TOPS) // self.names], f"d{number:07x}{tail >> 12:05x}"


def _pinned(domain: str) -> str:
    return f"{_REGISTERED}; pin=3 1 1 {hashlib.sha256(domain.encode()).hexdigest()}"
