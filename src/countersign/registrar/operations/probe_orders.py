"""What a probe is told to do, and what it says it found (DESIGN §8).

Of one host one probe has an order at a time. A probe that goes silent keeps the others from it
for its share of the time only.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import defer

from countersign.certification.assignment import Assignment, Order
from countersign.certification.outcome import BatteryResult, Proof
from countersign.registrar.operations.certifications import NOT_TESTED
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import NotFoundError, OperationError, Work
from countersign.registrar.operations.traps import traps_of
from countersign.storage.database.probing import Probe, ProbeOrder
from countersign.storage.database.servers import Server, TestRun

_SEEN_EVERY = datetime.timedelta(minutes=1)
_CANDIDATES = 50
_MOST_TRAPS = 100


def order_settling(work: Work, run_id: int, run_at: datetime.datetime | None = None) -> None:
    """Order that it be looked whether a run can be decided. run_at: not before."""
    work.order("settle", {"run": run_id}, run_at=run_at)


def has_order(work: Work, probe: Probe, held: Collection[int] = ()) -> bool:
    """Tell whether it is worth calling :func:`next_order`: changes and holds nothing."""
    return bool(_candidates(work, probe, held))


def next_order(work: Work, probe: Probe, version: str, held: Collection[int] = ()) -> Order | None:
    """Give a probe its next order; None: there is none now.

    held: keys of orders that it has and has not delivered. Others that were given to it before
    are given again: the answer was lost, or the probe was, and began anew. Notes that it has
    asked, with the version of its program. Raises :class:`NotFoundError` for a probe that may not
    ask.
    """
    if probe.revoked_at is not None or probe.enrolled_at is None:
        raise NotFoundError("There is no such probe.")
    # One host is held at the most: so two who ask never wait for each other.
    candidates = _candidates(work, probe, held)[:1]
    made = _written(work, candidates[0]) if candidates and _take(work, candidates[0]) else None
    # Last, and seldom: whoever draws probes waits for nobody who asks for work.
    if probe.seen_at is None or work.now - probe.seen_at >= _SEEN_EVERY:
        probe.seen_at = work.now
    if probe.version != version[:64]:
        probe.version = version[:64]
    return made


def _candidates(work: Work, probe: Probe, held: Collection[int]) -> list[ProbeOrder]:
    """Return the orders that a probe could have now, those first that it has not had yet."""
    rows = work.session.scalars(
        select(ProbeOrder)
        .where(
            ProbeOrder.probe_id == probe.id,
            _is_open(work),
            ProbeOrder.id.not_in(list(held)),
        )
        .order_by(ProbeOrder.fetched_at.is_not(None), ProbeOrder.id)
        .limit(_CANDIDATES)
    )
    return [one for one in rows if not _is_busy(work, one)]


def _is_open(work: Work) -> ColumnElement[bool]:
    return and_(ProbeOrder.ended_at.is_(None), ProbeOrder.ends_at > work.now)


def _is_busy(work: Work, order: ProbeOrder) -> bool:
    """Tell whether another probe is at the host of an order, or this one was there just now."""
    settings = work.config.certification
    share = datetime.timedelta(minutes=settings.order_minutes / settings.probes)
    rest = datetime.timedelta(seconds=settings.rest_seconds)
    host = (
        select(Server.hostname)
        .join(TestRun, TestRun.server_id == Server.id)
        .where(TestRun.id == order.run_id)
        .scalar_subquery()
    )
    others: Select[int] = (
        select(ProbeOrder.id)
        .join(TestRun, TestRun.id == ProbeOrder.run_id)
        .join(Server, Server.id == TestRun.server_id)
        .where(
            Server.hostname == host,
            ProbeOrder.id != order.id,
            or_(
                and_(_is_open(work), ProbeOrder.fetched_at > work.now - share),
                # It asked a question then, and would be told that questions are suspended.
                and_(
                    ProbeOrder.probe_id == order.probe_id,
                    ProbeOrder.fetched_at.is_not(None),
                    ProbeOrder.ended_at > work.now - rest,
                ),
            ),
        )
    )
    return work.session.scalar(others.limit(1)) is not None


def _take(work: Work, order: ProbeOrder) -> bool:
    """Give an order out, unless somebody was first, or its run has come to its end."""
    run = work.session.get_one(TestRun, order.run_id)
    server = work.session.get_one(Server, run.server_id)
    # All who want to test this host come one by one.
    hold(work, server)
    hold(work, order)
    if order.ended_at is not None or _is_busy(work, order):
        return False
    if server.state in NOT_TESTED:
        # Nobody is tested who does not want it any more.
        order.ended_at = work.now
        order_settling(work, run.id)
        return False
    # One that fetches it again and again keeps the others away no longer than one that does not.
    order.fetched_at = order.fetched_at or work.now
    return True


def _written(work: Work, order: ProbeOrder) -> Order:
    run = work.session.get_one(TestRun, order.run_id)
    server = work.session.get_one(Server, run.server_id)
    settings = work.config.certification
    traps = [f"{one.local_part}@{server.hostname}" for one in traps_of(work, server)]
    return Order(
        id=order.id,
        probe=order.probe_id,
        made_at=order.made_at,
        ends_at=order.ends_at,
        assignment=Assignment(
            host=server.hostname,
            # Without a mailbox nothing that a message would prove could be seen.
            mark=order.mark if settings.mailbox.listen else "",
            control_token=server.control_token,
            traps=tuple(traps[:_MOST_TRAPS]),
            battery=settings.battery(),
        ),
    )


def take_result(work: Work, probe: Probe, order_id: int, result: BatteryResult) -> None:
    """Take what a probe found, and order that its run be looked at. The same again does nothing.

    Raises :class:`NotFoundError` for an order that is not this probe's, and
    :class:`OperationError` for one that has ended, and for a result that is not of it.
    """
    order = work.session.get(ProbeOrder, order_id)
    if order is None or order.probe_id != probe.id or probe.revoked_at is not None:
        raise NotFoundError("There is no such order.")
    hold(work, order)
    values = result.to_dict()
    digest = _digest(values)
    if order.result_digest == digest:
        return
    if order.ended_at is not None or order.ends_at < work.now:
        raise OperationError("This order has ended: its result comes too late.")
    if order.fetched_at is None:
        raise OperationError("This order has not been fetched.")
    _check(work, order, result)
    order.result, order.result_digest, order.ended_at = values, digest, work.now
    order_settling(work, order.run_id)


def _check(work: Work, order: ProbeOrder, result: BatteryResult) -> None:
    run = work.session.get_one(TestRun, order.run_id)
    if result.host != work.session.get_one(Server, run.server_id).hostname:
        raise OperationError("This result is of another host.")
    if any(outcome.proof is not Proof.NONE for outcome in result.outcomes):
        # It would fail a server by itself.
        raise OperationError("What is proven the registrar sees itself: no probe says it.")


def _digest(values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def end_orders_of(work: Work, probe: Probe) -> int:
    """End all open orders of a probe without a result; returns how many."""
    orders = work.session.scalars(
        select(ProbeOrder)
        .where(ProbeOrder.probe_id == probe.id, ProbeOrder.ended_at.is_(None))
        .options(defer(ProbeOrder.result))
        .order_by(ProbeOrder.id)
        .with_for_update(key_share=True)
    ).all()
    for order in orders:
        order.ended_at = work.now
    for run_id in sorted({order.run_id for order in orders}):
        order_settling(work, run_id)
    return len(orders)
