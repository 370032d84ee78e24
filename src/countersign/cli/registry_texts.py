"""Nodes of the zone as text: a zone file, a gateway's registry file, data for rbldnsd."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zonetypes

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registry.copy.reading import Snapshot
from countersign.registry.copy_lookup import entry_of
from countersign.registry.lookup import RegistryEntry, RegistryUnavailableError, Standing
from countersign.registry.zone.content import address_key, host_keys
from countersign.registry.zone.names import APEX, host_key, labels_of
from countersign.registry.zone.records import A, kind_of, read_node, split_node

_IP = b".ip\0"


def owners_of(name: str) -> list[bytes]:
    """Return the keys under which a host or an address is found. Raises :class:`ValueError`."""
    try:
        return [address_key(name)]
    except ValueError:
        pass
    try:
        own, voucher, _ = host_keys(normalise_hostname(name))
    except AddressSyntaxError as error:
        raise ValueError(str(error)) from None
    return [own, voucher]


def standing_of(snapshot: Snapshot, name: str) -> str:
    """Say how a host or an address stands."""
    try:
        node = snapshot.get(address_key(name))
    except ValueError:
        hostname = normalise_hostname(name)
        try:
            entry = entry_of(hostname, snapshot.get(host_key(hostname)))
        except RegistryUnavailableError as error:
            return f"cannot tell: {error}"
        return f"{entry.standing}{f' ({entry.reason})' if entry.reason else ''}"
    return "registered" if any(kind_of(one) == A for one in split_node(node)) else "absent"


def zone_lines(key: bytes, node: bytes, zone: str) -> Iterator[str]:
    """Give a node's records in presentation format (RFC 1035 §5.1)."""
    owner = dns.name.Name([*labels_of(key), *dns.name.from_text(zone).labels]).to_text()
    for found in read_node(node):
        kind = dns.rdatatype.RdataType.make(found.kind)
        rdata = _rdata_of(kind, found.rdata)
        yield f"{owner} {found.ttl} IN {dns.rdatatype.to_text(kind)} {rdata.to_text()}"


def _rdata_of(kind: dns.rdatatype.RdataType, octets: bytes) -> dns.rdata.Rdata:
    try:
        return dns.rdata.from_wire(dns.rdataclass.IN, kind, octets, 0, len(octets))
    except dns.exception.DNSException:
        # What a server sent against the rules is to be seen too (RFC 3597 §5).
        return dns.rdata.GenericRdata(dns.rdataclass.IN, kind, octets)


Export = Callable[[Snapshot, str], Iterator[str]]


def write_export(export: Export, snapshot: Snapshot, zone: str, output: Path | None) -> int:
    """Write a copy in some form, to a file whole or not at all; return how many lines it was."""
    if output is None:
        return _write(export(snapshot, zone), sys.stdout.write)
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            count = _write(export(snapshot, zone), file.write)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write(lines: Iterator[str], write: Callable[[str], Any]) -> int:
    count = 0
    for line in lines:
        write(line + "\n")
        count += 1
    return count


def _as_zone(snapshot: Snapshot, zone: str) -> Iterator[str]:
    for key, node in snapshot.nodes():
        lines = list(zone_lines(key, node, zone))
        # A zone file begins with its SOA record (RFC 1035 §5.2).
        yield from sorted(lines, key=lambda line: " IN SOA " not in line) if key == APEX else lines


def _as_toml(snapshot: Snapshot, _zone: str) -> Iterator[str]:
    for entry in _entries(snapshot):
        yield "[[server]]"
        for name, value in _fields(entry).items():
            # TOML's basic strings and lists of them are JSON's, but for one character.
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def _as_json(snapshot: Snapshot, _zone: str) -> Iterator[str]:
    yield '{"server": ['
    before = ""
    for entry in _entries(snapshot):
        if before:
            yield before + ","
        before = json.dumps(_fields(entry), ensure_ascii=False)
    if before:
        yield before
    yield "]}"


def _as_rbldnsd_names(snapshot: Snapshot, _zone: str) -> Iterator[str]:
    yield ":127.0.0.2:v=countersign1"
    yield "test"
    for entry in _entries(snapshot):
        if entry.standing is Standing.REGISTERED:
            yield entry.hostname


def _as_rbldnsd_addresses(snapshot: Snapshot, _zone: str) -> Iterator[str]:
    yield ":127.0.0.2:v=countersign1"
    for key, _node in snapshot.nodes(begin=_IP, below=b".ip"):
        labels = [label.decode() for label in labels_of(key)[:-1]][::-1]
        if len(labels) == 4:
            yield ".".join(labels)
        elif len(labels) == 32:
            yield ipaddress.IPv6Address(int("".join(labels), 16)).compressed


def _entries(snapshot: Snapshot) -> Iterator[RegistryEntry]:
    """Give the servers, by the names under which they are listed.

    Raises :class:`RegistryUnavailableError` for one of which the copy does not tell: to leave it
    out would say that it is absent.
    """
    for key, node in snapshot.nodes():
        hostname = b".".join(labels_of(key)).decode("ascii", "replace")
        try:
            entry = entry_of(hostname, node)
        except RegistryUnavailableError as error:
            raise RegistryUnavailableError(f"{hostname}: {error}") from None
        if entry.standing is not Standing.ABSENT:
            yield entry


def _fields(entry: RegistryEntry) -> dict[str, Any]:
    fields: dict[str, Any] = {"hostname": entry.hostname, "standing": str(entry.standing)}
    if entry.pins:
        fields["pins"] = [
            f"3 {pin.selector} {pin.matching_type} {pin.data.hex()}" for pin in entry.pins
        ]
    if entry.reason:
        fields["reason"] = entry.reason
    return fields


EXPORTS: dict[str, Export] = {
    "zone": _as_zone,
    "toml": _as_toml,
    "json": _as_json,
    "rbldnsd-names": _as_rbldnsd_names,
    "rbldnsd-addresses": _as_rbldnsd_addresses,
}
"""How a copy can be written."""
