"""Messages that come in numbers, or while another test is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, inspect, select

from countersign.certification.outcome import Verdict
from countersign.certification.settling import Arrived, settle
from countersign.certification.test_address import Kind
from countersign.registrar.operations import arrivals
from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_results import open_run
from countersign.storage.database.jobs import Job
from countersign.storage.database.probing import ProbeOrder
from countersign.storage.database.servers import Server
from tests.registrar import probing
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations.test_test_settling import (
    JOBS,
    NUMBER,
    arrive,
    begun,
    runs,
    say,
)

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def keep(office: Office, order: ProbeOrder, number: int) -> None:
    with office.work() as work:
        arrivals.record_arrival(
            work,
            work.session.get_one(ProbeOrder, order.id),
            Kind.RELAYED,
            f"{number:016d}",
            from_address="192.0.2.25",
            hello="mail",
            head=b"",
        )


def looks(office: Office) -> int:
    with office.reading() as work:
        counted = select(func.count()).select_from(Job).where(Job.kind == "settle")
        return work.session.scalar(counted) or 0


def test_a_flood_of_messages_orders_one_look_a_minute(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, given = begun(office)
    before = looks(office)
    monkeypatch.setattr(arrivals, "MOST_HEADS", 5)
    for number in range(40):
        keep(office, given[0], number)
    assert looks(office) == before + 6
    clock.advance(minutes=1)
    keep(office, given[0], 40)
    keep(office, given[1], 41)
    assert looks(office) == before + 8


def test_a_message_is_kept_without_a_look_at_the_result(office: Office) -> None:
    _, given = begun(office)
    with office.work() as work:
        order = arrivals.order_of_mark(work, given[0].mark)
        assert order is not None
        arrivals.record_arrival(
            work, order, Kind.RELAYED, NUMBER, from_address="", hello="", head=b""
        )
        assert "result" in inspect(order).unloaded


def test_a_late_message_leads_to_a_test_though_another_one_is_under_way(
    office: Office, clock: Clock
) -> None:
    _, given = begun(office)
    for order in given:
        say(office, order, "passed", [NUMBER])
    do_jobs(office, JOBS)
    clock.advance(minutes=office.config.certification.arrival_minutes)
    do_jobs(office, JOBS)
    with office.work() as work:
        server = work.session.scalars(select(Server)).one()
        order_test(work, server, "owner")
        assert open_run(work, server) is not None
    for order in given:
        arrive(office, order)
        do_jobs(office, JOBS)
    assert [one.cause for one in runs(office)] == ["application", "owner", "arrival"]


def test_what_postmaster_answers_is_no_bounce() -> None:
    seen = probing.result_of("mail.example", "passed")
    for name, verdict in (
        ("relay-orcpt", Verdict.INFORMATION),
        ("relay-percent-host", Verdict.FAILED),
    ):
        sent = probing.outcome(Verdict.INFORMATION, name=name, messages=[NUMBER])
        result = seen.model_copy(update={"outcomes": (sent,)})
        (settled,) = settle(result, [Arrived(Kind.BOUNCED, NUMBER)]).outcomes
        assert settled.verdict is verdict
        (relayed,) = settle(result, [Arrived(Kind.RELAYED, NUMBER)]).outcomes
        assert relayed.verdict is Verdict.FAILED
