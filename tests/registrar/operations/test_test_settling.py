"""A test from its beginning to its verdict: what probes saw, and what arrived."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from countersign.certification.outcome import Proof
from countersign.certification.report import Report
from countersign.registrar.operations import probes, test_results
from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.probe_orders import order_settling
from countersign.registrar.operations.test_beginning import begin_run, previous_set
from countersign.registrar.operations.test_settling import settle_run
from countersign.rules.life_cycle import State
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.probing import Arrival, Probe, ProbeOrder
from countersign.storage.database.servers import Server, ServerEvent, TestRun
from tests.registrar import probing
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life
from tests.registrar.operations.at_once import at_once

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

NUMBER = "abcdefghijklmnop"
"""Of a message."""
JOBS = ("test", "settle")


def runs(office: Office) -> list[TestRun]:
    with office.reading() as work:
        return list(work.session.scalars(select(TestRun).order_by(TestRun.id)))


def orders(office: Office, run: TestRun) -> list[ProbeOrder]:
    with office.reading() as work:
        statement = select(ProbeOrder).where(ProbeOrder.run_id == run.id)
        return list(work.session.scalars(statement.order_by(ProbeOrder.label)))


def events(office: Office) -> list[ServerEvent]:
    with office.reading() as work:
        return list(work.session.scalars(select(ServerEvent).order_by(ServerEvent.id)))


def actions(office: Office) -> list[str]:
    return [one.action for one in events(office)]


def host_of(office: Office, run: TestRun) -> str:
    with office.reading() as work:
        return work.session.get_one(Server, run.server_id).hostname


def state(office: Office) -> State:
    with office.reading() as work:
        return work.session.scalars(select(Server.state)).one()


def say(office: Office, order: ProbeOrder, verdict: str, messages: Sequence[str] = ()) -> None:
    """Let the probe of an order say what it saw."""
    host = host_of(office, next(one for one in runs(office) if one.id == order.run_id))
    fetched = probing.fetch(office, order.probe_id)
    assert fetched is not None
    assert fetched.id == order.id
    probing.send(
        office, order.probe_id, order.id, probing.result_of(host, verdict, messages=messages)
    )


def arrive(office: Office, order: ProbeOrder, kind: str = "r", number: str = NUMBER) -> None:
    """Let a message come to the test mailbox."""
    with office.work() as work:
        arrival = Arrival(
            order_id=order.id,
            kind=kind,
            number=number,
            arrived_at=work.now,
            from_address="192.0.2.25",
            hello="mail",
            head=b"Subject: x\r\n",
        )
        work.session.add(arrival)
        order_settling(work, order.run_id)


def begun(office: Office, probe_count: int = 4) -> tuple[TestRun, list[ProbeOrder]]:
    """Let the test of an applicant begin."""
    probing.enrol(office, probe_count)
    life.make_screened(office)
    do_jobs(office, JOBS)
    (run,) = runs(office)
    return run, orders(office, run)


def say_all(office: Office, given: Sequence[ProbeOrder], *verdicts: str) -> None:
    """Let probes say what they saw, and others nothing; then the run's time is over."""
    for order, verdict in zip(given, verdicts, strict=True):
        if verdict:
            say(office, order, verdict)
    do_jobs(office, JOBS)
    clock = office.clock
    clock.advance(minutes=office.config.certification.order_minutes)  # type: ignore[attr-defined]
    do_jobs(office, JOBS)


@pytest.mark.parametrize(
    ("verdicts", "verdict", "differs"),
    [
        (("passed", "passed", "passed"), "passed", False),
        (("passed", "passed", ""), "passed", False),
        (("passed", "passed", "could-not-test"), "passed", False),
        (("passed", "", ""), "could-not-test", False),
        (("", "", ""), "could-not-test", False),
        (("passed", "could-not-test", "could-not-test"), "could-not-test", False),
        (("failed", "failed", "could-not-test"), "failed", False),
        (("failed", "", ""), "could-not-test", False),
        (("passed", "passed", "failed"), "could-not-test", True),
        (("passed", "failed", "failed"), "failed", True),
    ],
)
def test_a_quorum_of_probes_decides(
    office: Office, verdicts: tuple[str, ...], verdict: str, differs: bool
) -> None:
    _, given = begun(office)
    say_all(office, given, *verdicts)
    run = runs(office)[0]
    assert (run.verdict, run.differs) == (verdict, differs)
    assert ("perspectives-differ" in actions(office)) is differs
    assert (state(office) is State.SCREENED) is (verdict != "passed")
    report = Report.from_dict(run.result)
    assert [one.label for one in report.perspectives] == ["A", "B", "C"]
    assert [one.result is None for one in report.perspectives] == [not one for one in verdicts]


def test_events_name_the_run_that_they_come_of(office: Office) -> None:
    run, given = begun(office)
    say_all(office, given, "passed", "failed", "failed")
    made = {one.action: one.details for one in events(office)}
    assert made["perspectives-differ"] == {"run": run.id, "verdict": "failed"}
    assert made["test-failed"]["run"] == run.id


def test_a_run_is_decided_as_soon_as_all_have_answered(office: Office) -> None:
    _, given = begun(office)
    for order in given:
        assert not runs(office)[0].ended_at
        say(office, order, "passed")
        do_jobs(office, JOBS)
    assert runs(office)[0].verdict == "passed"
    assert all(one.result == {} for one in orders(office, runs(office)[0]))


def test_an_undecided_run_is_repeated_later_by_other_probes(office: Office, clock: Clock) -> None:
    run, given = begun(office)
    say_all(office, given, "passed", "", "")
    clock.advance(minutes=test_results.RETRIES_AFTER[0])
    do_jobs(office, JOBS)
    again = runs(office)[-1]
    assert again.id != run.id
    first, second = ({one.probe_id for one in orders(office, one)} for one in (run, again))
    assert len(first) == len(second) == 3
    assert first != second


def test_without_enough_probes_nothing_is_decided_and_staff_is_told_why(
    office: Office, clock: Clock
) -> None:
    probing.enrol(office, 2)
    life.make_screened(office)
    do_jobs(office, JOBS)
    run = runs(office)[0]
    assert run.verdict == "could-not-test"
    assert "3 probes of distinct network ranges" in run.trouble
    assert state(office) is State.SCREENED
    probing.enrol(office, 1, first=3)
    clock.advance(minutes=60)
    do_jobs(office, JOBS)
    assert len(probing.open_orders(office)) == 3


def test_for_want_of_probes_nobody_is_given_up(office: Office, clock: Clock) -> None:
    life.make_screened(office)
    attempts = len(test_results.RETRIES_AFTER) + 2
    for _ in range(attempts):
        do_jobs(office, JOBS)
        clock.advance(minutes=60)
    assert len(runs(office)) > attempts - 1
    assert Deed.TEST_IMPOSSIBLE not in actions(office)


def test_nobody_is_tested_who_has_not_proven_to_control_the_host(office: Office) -> None:
    probing.enrol(office, 4)
    server_id = life.make_screened(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.control_proven_at = None
        order_test(work, server, "schedule")
    do_jobs(office, JOBS)
    assert probing.open_orders(office) == []


def test_three_probes_alone_do_not_test_a_host_twice_running(office: Office, clock: Clock) -> None:
    _, given = begun(office, 3)
    say_all(office, given, "", "", "")
    clock.advance(minutes=test_results.RETRIES_AFTER[0])
    do_jobs(office, JOBS)
    assert "twice running" in runs(office)[1].trouble
    assert probing.open_orders(office) == []


def test_the_set_that_tested_a_host_is_known_when_it_applies_anew(office: Office) -> None:
    run, given = begun(office)
    with office.reading() as work:
        keys = previous_set(work, host_of(office, run))
        assert previous_set(work, "mail.other.example") == frozenset()
    assert keys == {one.probe_id for one in given}


def test_probes_that_have_gone_silent_are_drawn_only_where_the_others_are_too_few(
    office: Office, clock: Clock
) -> None:
    probing.enrol(office, 3)
    clock.advance(hours=2)
    heard = probing.enrol(office, 4, first=4)
    for _ in range(5):
        life.make_screened(office)
    do_jobs(office, ["test"])
    drawn = {one.probe_id for one in probing.open_orders(office)}
    assert drawn <= set(heard)
    clock.advance(hours=2)
    with office.work() as work:
        for key in heard[:2]:
            work.session.get_one(Probe, key).seen_at = clock.now
    life.make_screened(office)
    do_jobs(office, ["test"])
    assert len([one for one in probing.open_orders(office) if one.made_at == clock.now]) == 3


def test_labels_do_not_tell_the_probes_apart(office: Office) -> None:
    probing.enrol(office, 3)
    for _ in range(12):
        life.make_screened(office)
    do_jobs(office, ["test"])
    by_label = {
        label: {one.probe_id for one in probing.open_orders(office) if one.label == label}
        for label in "ABC"
    }
    assert all(len(keys) > 1 for keys in by_label.values())


def test_an_arrived_message_fails_a_server_by_itself(office: Office) -> None:
    _, given = begun(office)
    say(office, given[0], "passed", [NUMBER])
    say(office, given[1], "passed")
    say(office, given[2], "passed")
    do_jobs(office, JOBS)
    assert not runs(office)[0].ended_at
    arrive(office, given[0])
    do_jobs(office, JOBS)
    run = runs(office)[0]
    assert (run.verdict, run.differs) == ("failed", True)
    report = Report.from_dict(run.result)
    proofs = [one.proof for _, one in report.findings()[1].seen]
    assert proofs == [Proof.RELAYED]


def test_a_bounce_fails_a_server_too(office: Office) -> None:
    _, given = begun(office)
    for order in given:
        say(office, order, "passed", [NUMBER])
        arrive(office, order, "b")
    do_jobs(office, JOBS)
    assert runs(office)[0].verdict == "failed"


def test_a_message_may_arrive_before_the_probe_says_so(office: Office) -> None:
    _, given = begun(office)
    arrive(office, given[0])
    do_jobs(office, JOBS)
    for order in given:
        say(office, order, "passed", [NUMBER] if order is given[0] else ())
    do_jobs(office, JOBS)
    assert runs(office)[0].verdict == "failed"


def test_messages_are_waited_for_and_not_for_ever(office: Office, clock: Clock) -> None:
    _, given = begun(office)
    for order in given:
        say(office, order, "passed", [NUMBER])
    do_jobs(office, JOBS)
    clock.advance(minutes=office.config.certification.arrival_minutes, seconds=-1)
    do_jobs(office, JOBS)
    assert not runs(office)[0].ended_at
    clock.advance(seconds=1)
    do_jobs(office, JOBS)
    assert runs(office)[0].verdict == "passed"


def test_a_message_that_nobody_sent_proves_nothing(office: Office) -> None:
    _, given = begun(office)
    arrive(office, given[0], number="z" * 16)
    for order in given:
        say(office, order, "passed")
    do_jobs(office, JOBS)
    assert runs(office)[0].verdict == "passed"
    arrive(office, given[1], number="y" * 16)
    do_jobs(office, JOBS)
    assert "test-message-arrived" not in actions(office)
    assert len(runs(office)) == 1


def late(office: Office, clock: Clock, run: TestRun) -> None:
    """Let a run pass, and a message of it come a day later."""
    given = orders(office, run)
    for order in given:
        say(office, order, "passed", [NUMBER])
    do_jobs(office, JOBS)
    clock.advance(minutes=office.config.certification.arrival_minutes)
    do_jobs(office, JOBS)
    clock.advance(days=1)
    for order in given[:2]:
        arrive(office, order)
        do_jobs(office, JOBS)


def test_a_message_that_comes_after_its_test_leads_to_another_one(
    office: Office, clock: Clock
) -> None:
    run, _ = begun(office)
    late(office, clock, run)
    first, second = runs(office)
    assert (first.verdict, second.verdict, second.cause) == ("passed", "", "arrival")
    told = [one for one in events(office) if one.action == "test-message-arrived"]
    assert [one.details["run"] for one in told] == [run.id, run.id]


def test_whoever_holds_messages_back_each_time_has_failed(office: Office, clock: Clock) -> None:
    run, _ = begun(office)
    late(office, clock, run)
    late(office, clock, runs(office)[1])
    verdicts = [(one.cause, one.verdict) for one in runs(office)]
    assert ("arrival", "failed") in verdicts
    assert verdicts[:2] == [("application", "passed"), ("arrival", "passed")]


def test_a_message_that_comes_late_to_a_failed_test_changes_nothing(office: Office) -> None:
    _, given = begun(office)
    say_all(office, given, "failed", "failed", "failed")
    before = actions(office)
    arrive(office, given[0])
    do_jobs(office, JOBS)
    assert actions(office) == before
    assert len(runs(office)) == 1


def test_workers_that_settle_a_run_at_once_record_one_result(office: Office) -> None:
    run, given = begun(office)
    for order in given:
        say(office, order, "failed")

    def settle() -> None:
        with office.work() as work:
            settle_run(work, work.session.get_one(TestRun, run.id))

    assert at_once(settle, settle, settle) == [None] * 3
    assert actions(office).count("test-failed") == 1
    do_jobs(office, JOBS)
    assert actions(office).count("test-failed") == 1


def test_workers_that_begin_a_run_at_once_draw_one_set(office: Office) -> None:
    probing.enrol(office, 5)
    life.make_screened(office)
    (run,) = runs(office)

    def begin() -> None:
        with office.work() as work:
            begin_run(work, work.session.get_one(TestRun, run.id))

    assert at_once(begin, begin, begin) == [None] * 3
    assert len(orders(office, run)) == 3


def test_a_result_and_the_end_of_its_time_at_once_count_one_way(
    office: Office, clock: Clock
) -> None:
    run, given = begun(office)
    say(office, given[0], "failed")
    fetched = probing.fetch(office, given[1].probe_id)
    assert fetched is not None
    clock.advance(minutes=office.config.certification.order_minutes)

    def settle() -> None:
        with office.work() as work:
            settle_run(work, work.session.get_one(TestRun, run.id))

    def post() -> None:
        result = probing.result_of(host_of(office, run), "failed")
        probing.send(office, given[1].probe_id, given[1].id, result)

    said = at_once(settle, post)
    do_jobs(office, JOBS)
    taken = said[1] is None
    assert runs(office)[0].verdict == ("failed" if taken else "could-not-test")


def test_a_revoked_probe_ends_a_run_that_only_waited_for_it(office: Office) -> None:
    _, given = begun(office)
    say(office, given[0], "passed")
    say(office, given[1], "passed")
    with office.work() as work:
        probes.revoke(work, SYSTEM, work.session.get_one(Probe, given[2].probe_id))
    do_jobs(office, JOBS)
    assert runs(office)[0].verdict == "passed"


def test_a_revocation_and_a_draw_at_once_leave_no_order_open(office: Office) -> None:
    keys = probing.enrol(office, 3)
    life.make_screened(office)
    (run,) = runs(office)

    def begin() -> None:
        with office.work() as work:
            begin_run(work, work.session.get_one(TestRun, run.id))

    def revoke() -> None:
        with office.work() as work:
            probes.revoke(work, SYSTEM, work.session.get_one(Probe, keys[0]))

    at_once(begin, revoke)
    assert keys[0] not in {one.probe_id for one in probing.open_orders(office)}


def test_no_test_of_an_applicant_begins_without_proof_of_control(office: Office) -> None:
    probing.enrol(office, 4)
    server_id = life.make_screened(office)
    with office.work() as work:
        work.session.get_one(Server, server_id).control_proven_at = None
    do_jobs(office, JOBS)
    assert probing.open_orders(office) == []
    assert runs(office) == []


def test_every_open_run_has_a_look_ordered(office: Office, clock: Clock) -> None:
    _, given = begun(office)
    with office.reading() as work:
        waiting = work.session.scalars(
            select(Job.run_at).where(Job.kind == "settle", Job.state == JobState.WAITING)
        ).all()
    assert given[0].ends_at in waiting
    assert given[0].ends_at - clock.now == datetime.timedelta(
        minutes=office.config.certification.order_minutes
    )
