"""Probes of a registrar under test: enrolled, and made to do their orders in this process."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import threading
from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from countersign.certification.assignment import Order
from countersign.certification.outcome import BatteryResult, TestOutcome, Verdict
from countersign.certification.report import Perspective, Report
from countersign.certification.run import run_battery
from countersign.certification.settings import Standing
from countersign.certification.signing import public_text
from countersign.certification.standpoint import Standpoint
from countersign.registrar.operations import probe_orders, probes
from countersign.registrar.operations.office import SYSTEM, ConflictError, Office, Work
from countersign.registrar.operations.test_results import record_result
from countersign.storage.database.probing import Probe, ProbeOrder
from countersign.storage.database.servers import Server, TestRun

LOOPBACK = "127.0.0.0/8"
VERSION = "1.0"


def enrol(office: Office, number: int = 4, *, first: int = 1) -> list[int]:
    """Enrol probes, each in a range and an AS of its own; return their keys."""
    return [enrol_one(office, one) for one in range(first, first + number)]


def enrol_one(office: Office, number: int) -> int:
    """Enrol the probe of a number in 198.18.NUMBER.0/24 and AS 64496 + NUMBER."""
    network, as_number = f"198.18.{number}.0/24", 64496 + number
    key = public_text(Ed25519PrivateKey.generate().public_key())
    with office.work() as work:
        _, token = probes.invite(
            work, SYSTEM, name=f"probe-{number}", network=network, as_number=as_number
        )
    with office.work() as work:
        probe = probes.enrol(
            work,
            token=token,
            public_key=key,
            network=network,
            as_number=as_number,
            version=VERSION,
        )
        return probe.id


def fetch(office: Office, probe_id: int, held: Sequence[int] = ()) -> Order | None:
    """Let a probe ask for its next order."""
    with office.work() as work:
        return probe_orders.next_order(work, work.session.get_one(Probe, probe_id), VERSION, held)


def send(office: Office, probe_id: int, order_id: int, result: BatteryResult) -> None:
    """Let a probe send the result of an order."""
    with office.work() as work:
        probe = work.session.get_one(Probe, probe_id)
        probe_orders.take_result(work, probe, order_id, result)


def outcome(
    verdict: Verdict = Verdict.PASSED, *, name: str = "greeting", messages: Sequence[str] = ()
) -> TestOutcome:
    """Return what one essential test found."""
    return TestOutcome(
        name=name,
        title="The server greets",
        verdict=verdict,
        explanation="It was seen.",
        is_essential=True,
        address="192.0.2.25",
        messages=tuple(messages),
    )


def result_of(
    host: str, verdict: Verdict | str = Verdict.PASSED, *, messages: Sequence[str] = ()
) -> BatteryResult:
    """Return the result of a battery that saw a verdict. messages: that are under way."""
    now = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
    outcomes = [outcome(Verdict(verdict))]
    if messages:
        outcomes.append(outcome(Verdict.INFORMATION, name="percent hack", messages=messages))
    return BatteryResult(
        host=host,
        addresses=("192.0.2.25",),
        begun_at=now,
        ended_at=now,
        outcomes=tuple(outcomes),
    )


def report_of(host: str, *verdicts: Verdict | str, quorum: int = 2) -> Report:
    """Return a report in which each perspective saw a verdict."""
    seen = [
        Perspective(label="ABCDEFGHIJ"[number], result=result_of(host, verdict))
        for number, verdict in enumerate(verdicts)
    ]
    return Report(host=host, quorum=quorum, perspectives=tuple(seen))


def answer(work: Work, run: TestRun, verdict: Verdict | str) -> None:
    """End a run: all of three perspectives saw a verdict."""
    host = work.session.get_one(Server, run.server_id).hostname
    report = report_of(host, verdict, verdict, verdict)
    record_result(work, run, report.verdict, report.to_dict(), differs=report.decision.differs)


def open_orders(office: Office) -> list[ProbeOrder]:
    """Return all orders that have not ended."""
    with office.reading() as work:
        statement = select(ProbeOrder).where(ProbeOrder.ended_at.is_(None))
        return list(work.session.scalars(statement.order_by(ProbeOrder.id)))


def do_orders(office: Office, probe_ids: Sequence[int], standing: Standing | None = None) -> int:
    """Let probes do all orders that they can get, by the real battery; return how many.

    standing: default: loopback networks may be tested, and the registrar's resolvers are asked.
    Each connects from an address of its own.
    """
    shared = standing or Standing(
        networks=(LOOPBACK,), nameservers=office.config.certification.nameservers
    )
    done = 0
    for probe_id in probe_ids:
        where = shared.model_copy(update={"sources": (f"127.61.{probe_id % 250}.1",)})
        while (order := fetch(office, probe_id)) is not None:
            send(office, probe_id, order.id, _carry_out(order, where))
            done += 1
    return done


def _carry_out(order: Order, standing: Standing) -> BatteryResult:
    async def test() -> BatteryResult:
        return await run_battery(order.assignment, Standpoint(standing))

    return asyncio.run(test())


@contextlib.contextmanager
def probing(
    office: Office, number: int = 4, standing: Standing | None = None
) -> Iterator[list[int]]:
    """Enrol probes which do their orders during the block, in a thread of their own."""
    keys = enrol(office, number)
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            try:
                done = do_orders(office, keys, standing)
            except ConflictError:
                # It met another process: a probe asks again.
                continue
            if not done:
                ended.wait(0.2)

    thread = threading.Thread(target=work, name="probes", daemon=True)
    thread.start()
    try:
        yield keys
    finally:
        ended.set()
        thread.join(60)
