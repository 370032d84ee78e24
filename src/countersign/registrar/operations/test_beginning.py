"""A test begins: probes are drawn by lot, and each is given an order (DESIGN §8)."""

from __future__ import annotations

import datetime
import random
import secrets
from collections.abc import Sequence

import structlog
from sqlalchemy import select

from countersign.certification.test_address import ALPHABET, MARK_LENGTH
from countersign.registrar.operations.certifications import NOT_TESTED
from countersign.registrar.operations.control import is_proven, order_check
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.probe_orders import order_settling
from countersign.registrar.operations.test_results import TestVerdict, record_result
from countersign.rules.perspectives import NoSetError, Place, Sample, draw
from countersign.storage.database.probing import Probe, ProbeOrder
from countersign.storage.database.servers import Server, TestRun

log = structlog.get_logger()

SILENT_AFTER = datetime.timedelta(hours=1)
"""A probe that has not asked for work for so long is drawn only if there are no others."""
_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_lots = random.SystemRandom()


def begin_run(work: Work, run: TestRun, *, sample: Sample = _lots.sample) -> None:
    """Draw the probes that make a run, and order its end. A run begins once.

    Without enough probes it ends at once, undecided: `TestRun.trouble` tells staff why.
    """
    server = work.session.get_one(Server, run.server_id)
    hold(work, server)
    hold(work, run)
    if run.ended_at is not None or _has_orders(work, run):
        return
    if server.state in NOT_TESTED:
        # The application has ended since: nobody is tested who does not want it any more.
        record_result(work, run, TestVerdict.COULD_NOT_TEST, {})
    elif run.cause == "application" and not is_proven(server):
        # Without proof no run is made; one is ordered as soon as there is.
        work.session.delete(run)
    elif not is_proven(server):
        order_check(work, server)
        record_result(work, run, TestVerdict.COULD_NOT_TEST, {})
    else:
        _give_out(work, server, run, sample)


def _has_orders(work: Work, run: TestRun) -> bool:
    orders = select(ProbeOrder.id).where(ProbeOrder.run_id == run.id)
    return work.session.scalar(orders.limit(1)) is not None


def _give_out(work: Work, server: Server, run: TestRun, sample: Sample) -> None:
    try:
        chosen = _draw(work, server, sample)
    except NoSetError as error:
        log.error("nobody can be tested", reason=str(error))
        run.trouble = str(error)[:255]
        record_result(work, run, TestVerdict.COULD_NOT_TEST, {})
        return
    ends_at = work.now + datetime.timedelta(minutes=work.config.certification.order_minutes)
    # In an order by lot: a letter is not to tell which probe it is.
    shuffled = sample(sorted(chosen), len(chosen))
    for label, probe_id in zip(_LABELS, shuffled, strict=False):
        order = ProbeOrder(
            run_id=run.id,
            probe_id=probe_id,
            label=label,
            mark=make_mark(),
            made_at=work.now,
            ends_at=ends_at,
            result={},
        )
        work.session.add(order)
    order_settling(work, run.id, ends_at)
    work.session.flush()


def make_mark() -> str:
    """Return a mark that nobody can guess: 80 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(MARK_LENGTH))


def _draw(work: Work, server: Server, sample: Sample) -> frozenset[int]:
    """Draw probes that asked for work lately, or others too if those are too few."""
    # Held against a change, so that none which is revoked meanwhile gets an order.
    probes = work.session.scalars(
        select(Probe)
        .where(Probe.enrolled_at.is_not(None), Probe.revoked_at.is_(None))
        .order_by(Probe.id)
        .with_for_update(read=True)
    ).all()
    heard = [one for one in probes if one.seen_at and work.now - one.seen_at <= SILENT_AFTER]
    count, previous = work.config.certification.probes, previous_set(work, server.hostname)
    try:
        return draw(_places(heard), count, previous=previous, sample=sample)
    except NoSetError:
        return draw(_places(probes), count, previous=previous, sample=sample)


def _places(probes: Sequence[Probe]) -> list[Place]:
    return [Place(one.id, one.network, one.as_number) for one in probes]


def previous_set(work: Work, hostname: str) -> frozenset[int]:
    """Return the keys of the probes that were last told to test a host; empty: none were."""
    run_id = work.session.scalar(
        select(ProbeOrder.run_id)
        .join(TestRun, TestRun.id == ProbeOrder.run_id)
        .join(Server, Server.id == TestRun.server_id)
        .where(Server.hostname == hostname)
        .order_by(ProbeOrder.id.desc())
        .limit(1)
    )
    if run_id is None:
        return frozenset()
    return frozenset(
        work.session.scalars(select(ProbeOrder.probe_id).where(ProbeOrder.run_id == run_id))
    )
