"""Keys and clocks that are wrong: nobody gets the zone, and the registrar says who and why."""

from __future__ import annotations

import datetime
from functools import partial

import dns.tsig
import pytest

from countersign.registrar.operations import secondary_keys
from countersign.registrar.operations.office import SYSTEM
from countersign.registrar.operations.secondaries import Condition
from countersign.registry.lookup import Standing
from countersign.registry.transfer.keys import TsigKey
from tests.chain.chain import Chain
from tests.chain.data import ZONE
from tests.chain.waiting import until
from tests.peers.dns_peer import skip_without
from tests.peers.dns_questions import REFUSED, ask, transfer

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_wrong_secret_gets_nothing_and_harms_nobody_else(running: Chain) -> None:
    registrar = running.registrar
    running.add_server("nsd")
    replica = running.add_replica("replica")
    wrong = running.add_server("knot", wrong_secret=True)
    server, hostname = registrar.lively[0]
    registrar.suspend(server)
    running.wait_for(hostname, Standing.SUSPENDED, "nsd", "replica")
    running.wait_until_equal("nsd", "replica")
    until(
        lambda: "failed to verify TSIG" in wrong.peer.log(), "Knot is refused", otherwise=wrong.log
    )
    assert wrong.serial is None
    assert replica.serial == registrar.serial

    def is_told() -> bool:
        status = registrar.status("knot")
        return status.condition is Condition.ERROR and bool(status.error)

    until(is_told, "the status tells it", otherwise=lambda: registrar.status("knot"))
    assert wrong.link.key.encoded not in registrar.log()
    # With the right one all is well at once.
    wrong.stop()
    wrong.configure(wrong.link.key)
    wrong.start()
    running.wait_until_equal()
    until(
        lambda: registrar.status("knot").condition is Condition.UP_TO_DATE,
        "the status says that it is well",
        otherwise=lambda: registrar.status("knot"),
    )


def test_a_rotated_key_is_good_for_a_while_and_a_revoked_one_no_more(running: Chain) -> None:
    registrar = running.registrar
    knot = running.add_server("knot")
    running.add_server("nsd")
    running.wait_until_equal()
    (first, one), (second, other), (third, another), _ = registrar.lively
    old, secondary = knot.link.key, registrar.secondary_id("knot")
    with registrar.office.work() as work:
        new = secondary_keys.rotate(work, SYSTEM, secondary)
    registrar.wait_until_it_knows(new)

    # Both are good now, and who has the old one is notified and served.
    registrar.suspend(first)
    running.wait_for(one, Standing.SUSPENDED)
    running.wait_until_equal()
    for key in (old, new):
        assert transfer(registrar.endpoint, ZONE, key).nodes
    until(
        lambda: registrar.status("knot").condition is Condition.UP_TO_DATE,
        "with the old key all is well",
        otherwise=lambda: (registrar.status("knot"), running.logs()),
    )

    # The old one's time ends: as if it had been rotated a week ago.
    with registrar.office.work() as work:
        week = datetime.timedelta(hours=registrar.office.config.primary.key_overlap_hours)
        *_, row = secondary_keys.keys_of(work, secondary)
        assert (row.name, row.ends_at is not None) == (old.name, True)
        assert row.ends_at is not None
        row.ends_at -= week
    until(partial(_is_refused, running, old), "the old key is refused")
    assert transfer(registrar.endpoint, ZONE, new).nodes
    registrar.suspend(second)
    running.wait_for(other, Standing.SUSPENDED, "nsd")
    assert knot.standing(other) is Standing.REGISTERED
    knot.stop()
    knot.configure(new)
    knot.start()
    running.wait_for(other, Standing.SUSPENDED)
    running.wait_until_equal()

    # A key that is revoked is worthless at once; the secondary's other ones are not.
    with registrar.office.work() as work:
        newest, *_ = secondary_keys.keys_of(work, secondary)
        secondary_keys.revoke(work, SYSTEM, secondary, newest.id)
    until(partial(_is_refused, running, new), "the revoked key is refused")
    with pytest.raises(REFUSED):
        transfer(registrar.endpoint, ZONE, new)
    registrar.suspend(third)
    running.wait_for(another, Standing.SUSPENDED, "nsd")
    assert knot.standing(another) is Standing.REGISTERED
    with registrar.office.work() as work:
        issued = secondary_keys.issue(work, SYSTEM, secondary)
    registrar.wait_until_it_knows(issued)
    knot.stop()
    knot.configure(issued)
    knot.start()
    running.wait_until_equal()


def test_a_wrong_clock_gets_badtime_and_the_zone_when_it_is_right(running: Chain) -> None:
    skip_without("faketime")
    registrar = running.registrar
    running.add_server("nsd")
    knot = running.add_server("knot", clock="+600s")
    running.wait_until_equal("nsd")
    until(lambda: "BADTIME" in knot.peer.log(), "Knot is told", otherwise=knot.log)

    def is_told() -> bool:
        status = registrar.status("knot")
        return status.condition is Condition.ERROR and "clock" in status.error

    until(is_told, "the status tells it", otherwise=lambda: registrar.status("knot"))
    assert knot.serial is None
    knot.stop()
    knot.peer.clock = ""
    knot.start()
    # By itself it would try again when the future has come in which it was refused.
    server, hostname = registrar.lively[0]
    registrar.suspend(server)
    running.wait_for(hostname, Standing.SUSPENDED)
    running.wait_until_equal()
    until(
        lambda: registrar.status("knot").condition is Condition.UP_TO_DATE,
        "the status says that it is well",
        otherwise=lambda: registrar.status("knot"),
    )


def _is_refused(running: Chain, key: TsigKey) -> bool:
    try:
        ask(running.registrar.endpoint, ZONE, "SOA", key=key)
    except dns.tsig.PeerBadKey:
        return True
    return False
