"""Decisions about addresses: keys of tables, and where a callback may go (DESIGN §3.6, §3.8)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LAST_32_BITS = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # RFC 6052
    ipaddress.IPv6Network("::/96"),  # RFC 4291 §2.5.5.1
)
"""Prefixes before an IPv4 address."""


@lru_cache(maxsize=4096)
def network_key(address: str) -> str:
    """Return the key under which an address is blocked, suspended and counted.

    An IPv4 address stands for itself; IPv6 counts by /64, as hosts choose freely within it.
    Raises :class:`ValueError` if the text is no address.
    """
    parsed = _parse(address)
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


def canonical(address: str) -> str:
    """Return the canonical text of an address; IPv4 mapped into IPv6 becomes IPv4."""
    return str(_parse(address))


def in_networks(address: str, networks: Iterable[Network]) -> bool:
    """Tell whether an address lies in one of the networks."""
    parsed = _parse(address)
    return any(parsed.version == network.version and parsed in network for network in networks)


def is_callback_target(
    address: str, *, own_addresses: Collection[str], permitted_networks: Iterable[str]
) -> bool:
    """Tell whether a callback may go to an address (DESIGN §3.8).

    Only public unicast addresses that are not our own; or what the operator permits.
    """
    parsed = _parse(address)
    networks = tuple(ipaddress.ip_network(network) for network in permitted_networks)
    if in_networks(address, networks):
        return True
    if str(parsed) in own_addresses:
        return False
    embedded = _embedded_ipv4(parsed)
    return all(one.is_global and not one.is_multicast for one in (parsed, embedded or parsed))


def _embedded_ipv4(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a translator or tunnel on the way would lead to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in prefix for prefix in _LAST_32_BITS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
