"""Names and addresses of the envelope (RFC 5321 §4.1.2, §4.1.3; RFC 6531)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

import idna

MAX_PATH = 256
MAX_LOCAL_PART = 64
MAX_DOMAIN = 255

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL_PART = re.compile(
    rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*")\Z'
)
_SOURCE_ROUTE = re.compile(r"@[^,:@]+(?:,@[^,:@]+)*:")


class AddressSyntaxError(ValueError):
    """The text is no hostname, address or path; the message says why."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox: local part as written, domain normalised (A-labels) or an address literal."""

    local_part: str
    domain: str
    """Empty for the bare ``postmaster`` (RFC 5321 §4.5.1)."""

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}" if self.domain else self.local_part


def normalise_hostname(text: str) -> str:
    """Return the lower-case A-label form without a trailing dot.

    Raises :class:`AddressSyntaxError`. Underscores are let pass: such names exist in EHLO.
    """
    name = text.removesuffix(".")
    if not name or len(name) > MAX_DOMAIN:
        raise AddressSyntaxError("a host name has 1 to 255 characters")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise AddressSyntaxError("not a valid international host name") from None
    name = name.lower()
    if len(name) > MAX_DOMAIN or not all(_LABEL.match(label) for label in name.split(".")):
        raise AddressSyntaxError("a host name is labels of letters, digits and hyphens")
    if name.rpartition(".")[2].isdecimal():
        raise AddressSyntaxError("an address is not a host name")
    return name


def parse_address_literal(text: str) -> str:
    """Return the IP address inside ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``.

    Raises :class:`AddressSyntaxError`.
    """
    if not (text.startswith("[") and text.endswith("]")):
        raise AddressSyntaxError("an address literal is written in brackets")
    inner = text[1:-1]
    try:
        if inner.lower().startswith("ipv6:"):
            return str(ipaddress.IPv6Address(inner[5:]))
        return str(ipaddress.IPv4Address(inner))
    except ValueError:
        raise AddressSyntaxError("not a valid address literal") from None


def parse_domain(text: str) -> str:
    """Return a normalised domain, or an address literal in canonical form.

    Raises :class:`AddressSyntaxError`.
    """
    if text.startswith("["):
        address = parse_address_literal(text)
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    return normalise_hostname(text)


def parse_mailbox(text: str) -> Mailbox:
    """Parse ``local-part@domain``, or the bare ``postmaster``.

    Raises :class:`AddressSyntaxError`.
    """
    if text.lower() == "postmaster":
        return Mailbox(text, "")
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise AddressSyntaxError("an address needs a domain")
    if len(local_part.encode("utf-8", "surrogateescape")) > MAX_LOCAL_PART:
        raise AddressSyntaxError("the local part is longer than 64 octets")
    if not _LOCAL_PART.match(local_part):
        raise AddressSyntaxError("not a valid local part")
    return Mailbox(local_part, parse_domain(domain))


def parse_path(text: str) -> Mailbox | None:
    """Parse the inside of ``<...>``; None for the null reverse-path.

    A source route is ignored, as RFC 5321 §4.1.1.3 asks. Raises :class:`AddressSyntaxError`.
    """
    if not text:
        return None
    if len(text.encode("utf-8", "surrogateescape")) > MAX_PATH - 2:
        raise AddressSyntaxError("the path is longer than 256 octets")
    route = _SOURCE_ROUTE.match(text)
    return parse_mailbox(text[route.end() :] if route else text)
