"""What can be set about the battery, and where it is run from (DESIGN §8)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from countersign.settings.values import Endpoint, Hostname, Network, Seconds, Section

WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s<>\"]{1,300}$")]


class Battery(Section):
    """How a host is tested. An order to a probe carries it: all probes test alike."""

    port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Port of the server under test."""
    submission_port: Annotated[int, Field(ge=0, le=65535)] = 587
    """Port where clients submit with STARTTLS: no relay for strangers either; 0: not tested."""
    submissions_port: Annotated[int, Field(ge=0, le=65535)] = 465
    """The same with TLS from the first octet (RFC 8314); 0: not tested."""
    hello: Hostname = "registrar.example"
    """Name that the tester gives in EHLO."""
    foreign_domain: Hostname = "example.net"
    """Domain that no tested server takes mail for, with an MX that leads to the test mailbox."""
    about: WebAddress = "https://registrar.example/about/tests"
    """Page that says who is testing, and why: named on each connection and in each message."""
    timeout: Seconds = 30
    """Seconds to wait for a connection, and for each reply."""
    total_timeout: Seconds = 1200
    """Seconds for all tests of one address, the wait of `retry_seconds` among them."""
    pause: Annotated[float, Field(ge=0, le=600)] = 2
    """Seconds between two connections to one server."""
    retry_seconds: Annotated[float, Field(ge=0, le=3600)] = 310
    """Seconds before recipients that a server put off are tried once more: greylisting usually \
asks for five minutes. Who puts nothing off is not waited for."""
    addresses: Annotated[int, Field(ge=1, le=64)] = 8
    """Addresses of one host that are tested at most; of more, so many are drawn by lot."""
    messages: Annotated[int, Field(ge=0, le=100)] = 40
    """Messages that are sent at most through each address to see whether it relays. One that takes
    any recipient gets so many; three to foreign recipients are enough."""
    session_id_length: Annotated[int, Field(ge=16, le=1024)] = 128
    """Characters of a session ID (docs/PROTOCOL.md)."""
    without: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    """Names of tests that are not made (`countersign check server --list` names all)."""


class Standing(Section):
    """Where the battery is run from: the machine's own affair, and in no order."""

    sources: tuple[Annotated[str, Field(max_length=64)], ...] = ()
    """Local addresses to connect from, one after the other; none: the system chooses."""
    socks: Endpoint | Literal[""] = ""
    """SOCKS5 proxy (RFC 1928) through which every connection to a server goes; empty: none."""
    networks: tuple[Network, ...] = ()
    """Private or loopback networks that may be tested all the same."""
    nameservers: tuple[Endpoint, ...] = ()
    """Recursive resolvers; default: those of /etc/resolv.conf."""
