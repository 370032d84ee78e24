"""Orders of probes whose messages may come, and a mailbox that keeps them in a database."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from countersign.certification.mailbox import Limits, TestMailbox, server_context
from countersign.certification.mailbox.sender import SenderTests
from countersign.certification.test_address import ALPHABET
from countersign.registrar.mailbox.keeping import Keeping
from countersign.registrar.mailbox.metrics import MailboxMetrics
from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.jobs import Job
from countersign.storage.database.probing import Arrival, Probe, ProbeOrder
from countersign.storage.database.servers import TestRun
from tests.registrar.publishing.making import SINCE, add_server

HOST = "mx.registrar.example"


def make_number() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(16))


def add_order(office: Office, mark: str) -> tuple[int, int]:
    """Add an order with a mark; return its key, and that of its run."""
    server_id = add_server(office, f"{mark}.muller.com.au", State.ACTIVE, "", "192.0.2.7")
    with office.work() as work:
        probe = Probe(
            name=mark,
            network="198.51.100.0/24",
            invited_at=SINCE,
            token_digest=None,
            token_ends_at=None,
        )
        run = TestRun(server_id=server_id, cause="application", asked_at=SINCE, result={})
        work.session.add_all([probe, run])
        work.session.flush()
        order = ProbeOrder(
            run_id=run.id,
            probe_id=probe.id,
            label="A",
            mark=mark,
            made_at=SINCE,
            ends_at=SINCE,
            result={},
        )
        work.session.add(order)
        work.session.flush()
        return order.id, run.id


def arrivals(office: Office) -> list[Arrival]:
    with office.reading() as work:
        return list(work.session.scalars(select(Arrival).order_by(Arrival.id)))


def settlings(office: Office) -> list[int]:
    """Return the runs that are to be looked at."""
    with office.reading() as work:
        jobs = work.session.scalars(select(Job).where(Job.kind == "settle").order_by(Job.id))
        return [job.payload["run"] for job in jobs]


@contextlib.asynccontextmanager
async def mailbox_of(
    office: Office, sender_tests: SenderTests | None = None, listen: str = "127.0.0.1:0"
) -> AsyncIterator[TestMailbox]:
    """A mailbox in the test's event loop."""
    with ThreadPoolExecutor(4) as threads:
        metrics = MailboxMetrics()
        keeping = Keeping(office, threads, metrics)
        mailbox = TestMailbox(
            [listen],
            office.config.certification.foreign_domain,
            HOST,
            keeping.deliver,
            keeping.knows,
            tls=server_context(HOST),
            limits=Limits(stop_seconds=0.5),
            senders=keeping,
            sender_tests=sender_tests,
            counting=metrics,
        )
        async with mailbox:
            yield mailbox
