"""What came to the test mailbox: proof that a server relays, or sends bounces (DESIGN §8)."""

from __future__ import annotations

import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import defer

from countersign.certification.test_address import Kind
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.operations.probe_orders import order_settling
from countersign.storage.database.jobs import Job
from countersign.storage.database.probing import Arrival, ProbeOrder

log = structlog.get_logger()

MOST_ARRIVALS = 20_000
"""Of one order: more than any battery can cause (64 addresses, 100 messages, two kinds, and all
of it again). Whoever is under test knows the mark, and may write to it what he likes."""
MOST_HEADS = 200
"""Of one order: those whose beginning is kept as evidence."""


def order_of_mark(work: Work, mark: str) -> ProbeOrder | None:
    """Return the order whose test addresses begin with a mark; None: there is none."""
    # Without the result, which may be long: whoever is under test can cause many such looks.
    return work.session.scalar(
        select(ProbeOrder).where(ProbeOrder.mark == mark).options(defer(ProbeOrder.result))
    )


def record_arrival(
    work: Work,
    order: ProbeOrder,
    kind: Kind,
    number: str,
    *,
    from_address: str,
    hello: str,
    head: bytes,
) -> None:
    """Keep a message, and order that its run be looked at; one that came before changes nothing.

    kind: relayed or bounced. number: which message. from_address: the client's IP address. hello:
    what it called itself, printable. head: the beginning of the message. Raises
    :class:`OperationError` when there is no more room.
    """
    # Two that keep the same message at one time: the second sees what the first has kept.
    hold(work, order)
    known = select(Arrival.id).where(
        Arrival.order_id == order.id, Arrival.kind == kind, Arrival.number == number
    )
    if work.session.scalar(known) is not None:
        return
    here = select(func.count()).select_from(Arrival).where(Arrival.order_id == order.id)
    count = work.session.scalar(here) or 0
    if count >= MOST_ARRIVALS:
        log.warning("a test's mailbox is flooded", order=order.id)
        raise OperationError("There is no more room for messages of this test.")
    work.session.add(
        Arrival(
            order_id=order.id,
            kind=kind,
            number=number,
            arrived_at=work.now,
            from_address=from_address[:64],
            hello=hello[:255],
            head=head if count < MOST_HEADS else b"",
        )
    )
    work.session.flush()
    if count < MOST_HEADS:
        order_settling(work, order.run_id)
    else:
        _order_one_look(work, order)


def _order_one_look(work: Work, order: ProbeOrder) -> None:
    """Order one look for all that arrives within a minute: each of many would cost as much."""
    minute = int(work.now.timestamp()) // 60
    key = f"settle:{order.id}:{minute}"
    if work.session.scalar(select(Job.id).where(Job.unique_key == key)) is None:
        # Late enough that whatever counted on it has been kept by then.
        run_at = datetime.datetime.fromtimestamp((minute + 2) * 60, datetime.UTC)
        work.order("settle", {"run": order.run_id}, unique_key=key, run_at=run_at)
