"""The PROXY protocol header, version 2, that tells a backend who the client is.

See https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import ipaddress
import struct

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_VERSION_2_PROXY = 0x21
_TCP4, _TCP6 = 0x11, 0x21


def proxy_header(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """Return the header for a connection from ``client`` to ``server``, each (address, port).

    Raises :class:`ValueError` if one is no IP address. Mixed families are written as IPv6.
    """
    source, destination = ipaddress.ip_address(client[0]), ipaddress.ip_address(server[0])
    ports = struct.pack("!HH", client[1], server[1])
    if source.version == destination.version:
        family = _TCP4 if source.version == 4 else _TCP6
        addresses = source.packed + destination.packed
    else:
        family = _TCP6
        addresses = _as_ipv6(source) + _as_ipv6(destination)
    body = addresses + ports
    return _SIGNATURE + struct.pack("!BBH", _VERSION_2_PROXY, family, len(body)) + body


def _as_ipv6(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
