"""Postfix: closed, open in the ways that administrators open it by mistake, and half open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from countersign.certification.outcome import Verdict
from tests.certification.matrix.place import (
    BACKED_UP,
    RANGE_OF_A,
    Place,
    Running,
    Start,
    State,
    in_thread,
    leave_in_thread,
    wait_for_greeting,
)
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix

# Postfix listens on addresses of interfaces only, not on the rest of 127.0.0.0/8.
ADDRESS = "127.0.0.1"
USERS = ("user", "postmaster", "abuse")
TRUSTING = "permit_mynetworks, reject_unauth_destination"


def _settings(place: Place, host: str) -> dict[str, Any]:
    domain = host.partition(".")[2]
    mailboxes = ", ".join(f"{user}@{domain}={domain}/{user}/" for user in USERS)
    return {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": place.pair(host),
        "virtual_mailbox_maps": f"inline:{{{mailboxes}}}",
        # As Debian's main.cf has it; the release's own default is an older one.
        "smtpd_forbid_bare_newline": "yes",
        # Bounces and relayed messages are to be seen while the test waits.
        "smtp_tls_security_level": "none",
        "queue_run_delay": "2s",
    }


@asynccontextmanager
async def _postfix(place: Place, name: str, port: int, **changes: Any) -> AsyncIterator[Running]:
    host = place.host(name, ADDRESS)
    server = Postfix(
        host,
        f"{ADDRESS}:{port}",
        settings=_settings(place, host) | changes,
        prefix=place.prefix,
    )
    try:
        await in_thread(server)
        await wait_for_greeting(ADDRESS, port)
        yield Running(host, ADDRESS, port)
    finally:
        await leave_in_thread(server)


def _with(name: str, **changes: Any) -> Start:
    def start(place: Place) -> AbstractAsyncContextManager[Running]:
        return _postfix(place, name, free_port(), **changes)

    return start


@asynccontextmanager
async def _backup_mx(place: Place) -> AsyncIterator[Running]:
    name = "postfix-backup"
    place.dns.set(BACKED_UP, "MX", f"10 mx.{BACKED_UP}.", f"20 mail.{name}.example.")
    restrictions = "permit_mx_backup, reject_unauth_destination"
    async with _postfix(place, name, free_port(), smtpd_relay_restrictions=restrictions) as running:
        yield running


@asynccontextmanager
async def _percent_hack(place: Place, name: str, *users: str) -> AsyncIterator[Running]:
    """Start what Postfix's documentation warns of at allow_untrusted_routing.

    The MX passes user%foreign@domain on to a host within, which trusts it and sends it out.
    """
    domain, within = f"{name}.example", free_port()
    listed = ", ".join(f"{user}=x" for user in users)
    inner = _postfix(
        place,
        name,
        within,
        mydestination=domain,
        local_transport="discard:",
        local_recipient_maps=f"inline:{{{listed}}}" if listed else "",
        virtual_mailbox_domains="",
        mynetworks=f"{ADDRESS}/32",
        smtpd_relay_restrictions=TRUSTING,
        allow_percent_hack="yes",
        swap_bangpath="yes",
    )
    outer = _postfix(
        place,
        name,
        free_port(),
        virtual_mailbox_domains="",
        relay_domains=domain,
        parent_domain_matches_subdomains="",
        transport_maps=f"inline:{{{domain}=smtp:[{ADDRESS}]:{within}}}",
        allow_untrusted_routing="yes",
    )
    async with inner, outer as running:
        yield running


FAILED, PASSED = Verdict.FAILED, Verdict.PASSED

STATES = (
    State("Postfix, closed", _with("postfix-closed"), PASSED),
    State(
        "Postfix, mynetworks too wide",
        _with("postfix-open", mynetworks="0.0.0.0/0", smtpd_relay_restrictions=TRUSTING),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-foreign"}),
    ),
    State(
        "Postfix, mynetworks holds A's range",
        _with("postfix-range", mynetworks=RANGE_OF_A, smtpd_relay_restrictions=TRUSTING),
        FAILED,
        seen="Ppp",
        failed=frozenset({"relay-from-foreign"}),
    ),
    State(
        "Postfix, permit_mx_backup",
        _backup_mx,
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-foreign"}),
        battery={"foreign_domain": BACKED_UP},
    ),
    State(
        "Postfix, relay_domains a whole TLD",
        _with("postfix-relay", relay_domains="example"),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-foreign"}),
    ),
    State(
        "Postfix, trusts senders of its domain",
        _with(
            "postfix-sender",
            smtpd_relay_restrictions=(
                "check_sender_access inline:{postfix-sender.example=OK}, reject_unauth_destination"
            ),
            parent_domain_matches_subdomains="",
        ),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-from-mail-domain", "relay-from-postmaster"}),
    ),
    State(
        "Postfix, percent hack",
        lambda place: _percent_hack(place, "postfix-percent", *USERS),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-percent-domain"}),
    ),
    State(
        "Postfix, percent hack and catch-all",
        lambda place: _percent_hack(place, "postfix-hidden"),
        FAILED,
        seen="PPP",
        failed=frozenset({"relay-percent-domain"}),
    ),
    State(
        "Postfix, takes and bounces unknown users",
        _with("postfix-bounces", smtpd_reject_unlisted_recipient="no"),
        FAILED,
        seen="PPP",
    ),
    State(
        "Postfix, catch-all mailbox",
        _with("postfix-catch-all", virtual_mailbox_maps="static:all/"),
        PASSED,
    ),
    State(
        "Postfix, takes LF.CRLF for the end",
        _with("postfix-smuggled", smtpd_forbid_bare_newline="no"),
        FAILED,
        seen="fff",
        failed=frozenset({"smuggling"}),
    ),
    State(
        "Postfix, strangers may use XCLIENT",
        _with("postfix-xclient", smtpd_authorized_xclient_hosts="127.0.0.0/8"),
        FAILED,
        seen="fff",
        failed=frozenset({"client-override"}),
    ),
    State(
        "Postfix, blocks A",
        _with(
            "postfix-blocks",
            smtpd_client_restrictions=(f"check_client_access cidr:{{{{{RANGE_OF_A} REJECT}}}}"),
            smtpd_delay_reject="no",
        ),
        PASSED,
        seen="-pp",
    ),
)
