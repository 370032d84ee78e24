"""One decision, from the registrar's database to all who follow it, near and far."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import dns.flags
import dns.rcode
import pytest
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from countersign.registry.lookup import Standing
from countersign.rules.life_cycle import Action
from tests.chain.chain import Chain
from tests.chain.data import ZONE
from tests.chain.followers import Link, NameServer
from tests.chain.waiting import until
from tests.peers.dns_peer import skip_without
from tests.peers.dns_questions import key_signing_keys
from tests.peers.unbound import Unbound
from tests.registrar.operations import treasury

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_decision_reaches_secondaries_signers_tertiaries_and_replicas(
    running: Chain, record_property: Callable[[str, object], None]
) -> None:
    skip_without("unbound")
    registrar = running.registrar
    tertiary, distant = (Link.make(name, running.away) for name in ("tertiary", "distant"))
    knot = running.add_server("knot", sign=True, downstream=[tertiary, distant])
    running.add_server("nsd")
    bind = running.add_server("bind", sign=True)
    running.add_server("nsd", name="tertiary", link=tertiary, source=knot.link.endpoint)
    running.add_replica("near", notified=True)
    running.add_replica("far", link=distant, source=knot.link.endpoint, notified=True)
    running.wait_until_equal()
    # BIND signs piece by piece; changes that come meanwhile it now and then does not publish.
    for one in (knot, bind):
        until(partial(_is_signed, running, one), f"{one.kind} signs", otherwise=one.log)

    server, hostname = registrar.lively[0]
    lags: dict[str, float] = {}
    for decide, standing in (
        (registrar.suspend, Standing.SUSPENDED),
        (registrar.reinstate, Standing.REGISTERED),
        (registrar.suspend, Standing.SUSPENDED),
    ):
        decide(server)
        since = time.monotonic()
        lags = running.wait_for(hostname, standing, since=since)
        print({name: round(lag, 3) for name, lag in lags.items()})
    for name, lag in lags.items():
        record_property(f"seconds until {name} said so", round(lag, 3))
    running.wait_until_equal()

    # The public word is explained by an event of the database.
    *_, event = treasury.events(registrar.office, server, Action.SUSPEND)
    assert event.public_text == "spam was sent"
    for asked in (knot, bind, running.followers["nsd"], running.followers["tertiary"]):
        assert isinstance(asked, NameServer)
        [text] = asked.peer.ask(f"{hostname}.{ZONE}", "TXT").answer[0]
        assert b"reason=spam was sent" in b"".join(text.strings)
        assert f"since={event.at:%Y-%m-%d}".encode() in b"".join(text.strings)

    # And who trusts the signer's key needs to trust nobody on the way.
    for signer, asked in ((knot, knot), (knot, running.followers["tertiary"]), (bind, bind)):
        assert isinstance(asked, NameServer)
        anchors = key_signing_keys(signer.link.endpoint, ZONE)
        with Unbound({ZONE: asked.link.endpoint}, trust_anchors=anchors) as resolver:
            for name, kind, code in (
                (hostname, "TXT", dns.rcode.NOERROR),
                (hostname, "A", dns.rcode.NOERROR),
                (registrar.lively[1][1], "A", dns.rcode.NOERROR),
                ("nobody.example", "A", dns.rcode.NXDOMAIN),
            ):
                answer = resolver.ask(f"{name}.{ZONE}", kind, dnssec=True)
                is_proven = bool(answer.flags & dns.flags.AD)
                assert (answer.rcode(), is_proven) == (code, True), resolver.log()


def _is_signed(running: Chain, server: NameServer) -> bool:
    """Whether all of it is signed: each name of the chain of NSEC."""
    nodes = server.peer.transfer(running.watcher).nodes.values()
    return all(node.get_rdataset(RdataClass.IN, RdataType.NSEC) for node in nodes)
