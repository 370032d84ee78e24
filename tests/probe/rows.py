"""Probes with keys, and orders for them, in the database of an office under test."""

from __future__ import annotations

import base64
import datetime
import itertools

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countersign.certification.outcome import BatteryResult, TestOutcome, Verdict
from countersign.certification.signing import public_text
from countersign.registrar.operations import probes
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.storage.database.probing import Probe, ProbeOrder
from countersign.storage.database.servers import TestRun
from tests.registrar.operations import life

NETWORK = "192.0.2.0/24"
_numbers = itertools.count(1)


def invite(office: Office, name: str = "lima", network: str = NETWORK) -> tuple[int, str]:
    """Invite a probe; return its number and the one-time token."""
    with office.work() as work:
        probe, token = probes.invite(work, SYSTEM, name=name, network=network, place="Lima")
        return probe.id, token


def add_probe(
    office: Office, name: str = "lima", network: str = NETWORK
) -> tuple[int, Ed25519PrivateKey]:
    """Add a probe that is enrolled; return its number and key."""
    key = Ed25519PrivateKey.generate()
    _, token = invite(office, name, network)
    with office.work() as work:
        probe = probes.enrol(
            work,
            token=token,
            public_key=public_text(key.public_key()),
            network=network,
            as_number=None,
            version="1",
        )
        return probe.id, key


def revoke(office: Office, probe: int) -> None:
    """Revoke a probe."""
    with office.work() as work:
        probes.revoke(work, SYSTEM, work.session.get_one(Probe, probe))


def add_order(office: Office, probe: int, hostname: str = "", *, minutes: float = 60) -> int:
    """Write an order for a probe: to test a server of this name; return its number."""
    number = next(_numbers)
    server_id = life.make_screened(office, hostname=hostname or f"mail{number}.muller.com.au")
    with office.work() as work:
        run = TestRun(server_id=server_id, cause="application", asked_at=work.now, result={})
        work.session.add(run)
        work.session.flush()
        order = ProbeOrder(
            run_id=run.id,
            probe_id=probe,
            label="A",
            mark=base64.b32encode(number.to_bytes(10, "big")).decode().lower(),
            made_at=work.now,
            ends_at=work.now + datetime.timedelta(minutes=minutes),
            result={},
        )
        work.session.add(order)
        work.session.flush()
        return order.id


def order_of(office: Office, order: int) -> ProbeOrder:
    """Return an order as it is now."""
    with office.reading() as work:
        return work.session.get_one(ProbeOrder, order)


def result_of(host: str, words: str = "Well.") -> BatteryResult:
    """Return what a probe might have found."""
    now = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
    outcome = TestOutcome(
        name="address",
        title="Has an address",
        verdict=Verdict.PASSED,
        explanation=words,
        is_essential=True,
    )
    return BatteryResult(
        host=host, addresses=("192.0.2.1",), begun_at=now, ended_at=now, outcomes=(outcome,)
    )
