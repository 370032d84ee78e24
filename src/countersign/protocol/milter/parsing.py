"""The arguments of an MTA's commands."""

from __future__ import annotations

import ipaddress

from countersign.protocol.milter.packets import MilterSyntaxError

_IPV4, _IPV6 = b"4", b"6"
_FAMILIES = (_IPV4, _IPV6, b"L", b"U")


def parse_client(data: bytes) -> tuple[str, str]:
    """Return a client's name and its address in canonical form; ``""`` if it has none.

    ``data``: of CONNECT: name, NUL, family, and then port and address, unless the family is
    unknown. Raises :class:`MilterSyntaxError`.
    """
    name, end, rest = data.partition(b"\0")
    family = rest[:1]
    if not end or family not in _FAMILIES:
        raise MilterSyntaxError("CONNECT without a client")
    text = name.decode("utf-8", "replace")
    if family not in (_IPV4, _IPV6):
        return text, ""
    address, end, _ = rest[3:].partition(b"\0")
    if not end:
        raise MilterSyntaxError("CONNECT without an address")
    try:
        plain = address.decode("ascii").removeprefix("IPv6:").removeprefix("ipv6:")
        return text, str(ipaddress.ip_address(plain.partition("%")[0]))
    except ValueError:
        raise MilterSyntaxError("CONNECT with an address that is none") from None


def parse_header_field(name: bytes, value: bytes, *, leading_space: bool) -> bytes:
    """Return a whole header field as it is on the wire.

    Raises :class:`MilterSyntaxError` for a name that cannot be one.
    """
    if not name or b":" in name or b"\n" in name or b"\r" in name:
        raise MilterSyntaxError("a header field without a proper name")
    # MTAs give folded fields with LF alone.
    lines = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    space = b"" if leading_space else b" "
    return name + b":" + space + lines + b"\r\n"
