"""Exim and OpenSMTPD: closed, open, and with one mistake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from countersign.certification.outcome import Verdict
from tests.certification.matrix.place import (
    ONLY_OURS,
    Place,
    Running,
    Start,
    State,
    in_thread,
    leave_in_thread,
    wait_for_greeting,
)
from tests.gateway.world import free_port, fresh_address
from tests.peers.exim import Exim
from tests.peers.opensmtpd import OpenSmtpd

NO_TLS = (*ONLY_OURS, "starttls", "starttls-injection")
"""Debian 12's OpenSMTPD completes no handshake: see tests/peers/opensmtpd.py."""
USERS = ("user", "postmaster", "abuse")
_CLOSED = """
begin acl
check:
  deny local_parts = ^.*[@%!/|] : ^[.]
  accept domains = +local_domains
    endpass
    verify = recipient
  deny message = relay not permitted
"""
_LAX = """
begin acl
check:
  accept domains = +local_domains
    endpass
    verify = recipient
  deny message = relay not permitted
"""
_TRUSTING = """
begin acl
check:
  accept sender_domains = +local_domains
  accept domains = +local_domains
    endpass
    verify = recipient
  deny message = relay not permitted
"""
_IN_CLEAR = """
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = false
  server_advertise_condition = yes
"""
_ROUTER = """
direct:
  driver = dnslookup
  transport = direct
"""
_TRANSPORT = """
direct:
  driver = smtp
  hosts_avoid_tls = *
"""


@asynccontextmanager
async def _exim(
    place: Place, name: str, *, main: str, acl: str, transport: str
) -> AsyncIterator[Running]:
    address, port = fresh_address(), free_port()
    host = place.host(name, address)
    listen = f"local_interfaces = {address}\ndaemon_smtp_ports = {port}\n"
    server = Exim(
        host,
        main=listen + main + acl,
        router=_ROUTER,
        transport=transport,
        recipients="check" if acl else "accept",
        users=USERS,
        pair=place.pair(host),
        prefix=place.prefix,
    )
    with server:
        server.listen()
        await wait_for_greeting(address, port)
        yield Running(host, address, port)


def _exim_with(name: str, acl: str, *, main: str = "", transport: str = _TRANSPORT) -> Start:
    def start(place: Place) -> AbstractAsyncContextManager[Running]:
        return _exim(place, name, main=main, acl=acl, transport=transport)

    return start


@asynccontextmanager
async def _opensmtpd(place: Place, name: str, rules: str) -> AsyncIterator[Running]:
    address, port = fresh_address(), free_port()
    host = place.host(name, address)
    server = OpenSmtpd(host, f"{address}:{port}", rules=rules, prefix=place.prefix)
    try:
        await in_thread(server)
        await wait_for_greeting(address, port)
        yield Running(host, address, port)
    finally:
        await leave_in_thread(server)


def _opensmtpd_with(name: str, *rules: str) -> Start:
    text = "\n".join((f'match from any for domain "{name}.example" action "local"', *rules))

    def start(place: Place) -> AbstractAsyncContextManager[Running]:
        return _opensmtpd(place, name, text)

    return start


FAILED, PASSED = Verdict.FAILED, Verdict.PASSED

STATES = (
    State("Exim, closed", _exim_with("exim-closed", _CLOSED), PASSED),
    State(
        "Exim, open",
        _exim_with("exim-open", ""),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-foreign"}),
    ),
    State(
        "Exim, trusts senders of its domain",
        _exim_with("exim-sender", _TRUSTING),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-mail-domain", "relay-from-postmaster"}),
    ),
    State(
        "Exim, percent_hack_domains, relay refused",
        _exim_with("exim-percent", _LAX, main="percent_hack_domains = exim-percent.example\n"),
        PASSED,
    ),
    State(
        "Exim, passwords in clear",
        _exim_with("exim-clear", _CLOSED, transport=_TRANSPORT + _IN_CLEAR),
        FAILED,
        seen="fff",
        failed=frozenset({"auth-in-clear"}),
    ),
    State(
        "OpenSMTPD, closed",
        _opensmtpd_with("opensmtpd-closed"),
        PASSED,
        battery={"without": NO_TLS},
    ),
    State(
        "OpenSMTPD, open",
        _opensmtpd_with(
            "opensmtpd-open", 'action "out" relay', 'match from any for any action "out"'
        ),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-foreign"}),
        battery={"without": NO_TLS},
    ),
)
