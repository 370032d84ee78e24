"""A test ends: what the probes saw and what arrived becomes report and verdict (DESIGN §8)."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence

import structlog
from sqlalchemy import select
from sqlalchemy.orm import defer

from countersign.certification.outcome import BatteryResult, Verdict
from countersign.certification.report import Perspective, Report
from countersign.certification.settling import Arrived, is_awaited, settle
from countersign.certification.test_address import Kind
from countersign.registrar.operations.certifications import NOT_TESTED, order_test
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import SYSTEM, Work
from countersign.registrar.operations.probe_orders import order_settling
from countersign.registrar.operations.test_results import TestVerdict, open_run, record_result
from countersign.registrar.operations.transitions import add_event
from countersign.storage.database.probing import Arrival, ProbeOrder
from countersign.storage.database.servers import Server, TestRun

log = structlog.get_logger()


def settle_run(work: Work, run: TestRun) -> None:
    """End a run if all its orders have ended, and no message is awaited any more.

    May be called at any time, and any number of times: a run ends once. For one that has ended it
    sees to messages that have arrived since.
    """
    server = work.session.get_one(Server, run.server_id)
    hold(work, server)
    hold(work, run)
    orders = _held_orders(work, run)
    if run.ended_at is not None:
        _see_to_late_arrivals(work, server, run, orders)
        return
    for order in orders:
        if order.ended_at is None and order.ends_at <= work.now:
            order.ended_at = work.now
    if not orders or any(order.ended_at is None for order in orders):
        # Not begun yet, or going on: a job is ordered for the time that the orders end.
        return
    arrivals = _new_arrivals(work, orders)
    report = Report(
        host=server.hostname,
        quorum=work.config.certification.quorum,
        perspectives=tuple(_perspective(order, arrivals) for order in orders),
    )
    if not _is_awaited(work, run, orders, report):
        _end(work, run, orders, arrivals, report)


def _held_orders(work: Work, run: TestRun) -> list[ProbeOrder]:
    rows = work.session.scalars(
        select(ProbeOrder)
        .where(ProbeOrder.run_id == run.id)
        .order_by(ProbeOrder.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(rows)


def _new_arrivals(work: Work, orders: Sequence[ProbeOrder]) -> list[Arrival]:
    return list(
        work.session.scalars(
            select(Arrival)
            .where(
                Arrival.order_id.in_([order.id for order in orders]), Arrival.settled_at.is_(None)
            )
            .options(defer(Arrival.head))
            .order_by(Arrival.id)
        )
    )


def _perspective(order: ProbeOrder, arrivals: Collection[Arrival]) -> Perspective:
    result = _result(order)
    if result is not None:
        result = settle(result, _arrived(order, arrivals))
    return Perspective(label=order.label, result=result)


def _result(order: ProbeOrder) -> BatteryResult | None:
    if not order.result:
        return None
    try:
        return BatteryResult.from_dict(order.result)
    except ValueError:
        # Taken by another version of this program: as if it had not come.
        log.error("a probe's result cannot be read", order=order.id)
        return None


def _arrived(order: ProbeOrder, arrivals: Collection[Arrival]) -> list[Arrived]:
    return [Arrived(Kind(one.kind), one.number) for one in arrivals if one.order_id == order.id]


def _is_awaited(work: Work, run: TestRun, orders: Sequence[ProbeOrder], report: Report) -> bool:
    """Tell whether a message may still come; then it is looked again when its time is over."""
    if not any(one.result is not None and is_awaited(one.result) for one in report.perspectives):
        return False
    last = max(order.ended_at for order in orders if order.result and order.ended_at is not None)
    until = last + datetime.timedelta(minutes=work.config.certification.arrival_minutes)
    if until <= work.now:
        return False
    # Ordered more than once where messages arrive meanwhile: what comes too often does nothing.
    order_settling(work, run.id, until)
    return True


def _end(
    work: Work,
    run: TestRun,
    orders: Sequence[ProbeOrder],
    arrivals: Sequence[Arrival],
    report: Report,
) -> None:
    for order in orders:
        # It is in the report now.
        order.result = {}
    for arrival in arrivals:
        arrival.settled_at = work.now
    record_result(work, run, report.verdict, report.to_dict(), differs=report.decision.differs)


def _see_to_late_arrivals(
    work: Work, server: Server, run: TestRun, orders: Sequence[ProbeOrder]
) -> None:
    """Test a server again of which a message came after its test had ended without a failure."""
    arrivals = _new_arrivals(work, orders)
    for arrival in arrivals:
        arrival.settled_at = work.now
    if not arrivals or run.verdict == TestVerdict.FAILED or server.state in NOT_TESTED:
        return
    report = _settled_again(run, orders, arrivals)
    if report is None or report.verdict is not Verdict.FAILED:
        # Messages that were never sent: anybody who knows the mark can write to it.
        return
    details = {"run": run.id, "arrivals": [one.id for one in arrivals]}
    add_event(work, server, Deed.MESSAGE_ARRIVED, SYSTEM, details=details)
    if run.cause == "arrival":
        # Twice in turn: whoever holds messages back long enough is not to get away with it.
        again = TestRun(server_id=server.id, cause="arrival", asked_at=work.now, result={})
        work.session.add(again)
        work.session.flush()
        record_result(work, again, report.verdict, report.to_dict())
    elif not _is_tested_for_arrivals(work, server):
        # Whatever test is under way now: who has one made all the time is not to get away with it.
        order_test(work, server, "arrival")


def _is_tested_for_arrivals(work: Work, server: Server) -> bool:
    run = open_run(work, server)
    return run is not None and run.cause == "arrival"


def _settled_again(
    run: TestRun, orders: Sequence[ProbeOrder], arrivals: Collection[Arrival]
) -> Report | None:
    try:
        report = Report.from_dict(run.result)
    except ValueError:
        return None
    by_label = {order.label: _arrived(order, arrivals) for order in orders}
    return report.model_copy(
        update={
            "perspectives": tuple(
                one
                if one.result is None
                else one.model_copy(
                    update={"result": settle(one.result, by_label.get(one.label, []))}
                )
                for one in report.perspectives
            )
        }
    )
