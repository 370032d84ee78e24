"""Proof of control before the first test, from the token to the run."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.protocol.control import control_name, control_text, is_control_token
from countersign.registrar.jobs.daily import run_daily
from countersign.registrar.operations import control, screenings
from countersign.registrar.operations.applications import save_step, withdraw
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.registrar.operations.test_results import ask_test
from countersign.registrar.particulars.steps import Step
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Verdict
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.servers import Server, ServerEvent, TestRun
from tests.registrar.jobs.doing import do_jobs, letters
from tests.registrar.operations import life
from tests.registrar.web.resolving import asking, name_server

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with name_server() as server:
        yield server


@pytest.fixture
def desk(office: Office, dns: DnsServer) -> Office:
    """An office that asks the test's DNS."""
    return asking(office, dns)


def make_cleared(office: Office) -> int:
    """Clear an application whose host nobody has proven to control."""
    server_id = life.make_compared(office)
    screener = life.staff(office, Role.SCREENER)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        screenings.decide(
            work, screener, server, Verdict.CLEAN, reason="Seen.", seen_version=server.version
        )
    return server_id


def server_of(office: Office, server_id: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, server_id)


def token_of(office: Office, server_id: int) -> str:
    with office.work() as work:
        return control.token_of(work, work.session.get_one(Server, server_id))


def publish(office: Office, dns: DnsServer, server_id: int) -> None:
    name = control_name(server_of(office, server_id).hostname)
    dns.set(name, "TXT", f'"{control_text(token_of(office, server_id))}"')


def causes(office: Office, server_id: int) -> list[str]:
    with office.reading() as work:
        statement = select(TestRun.cause).where(TestRun.server_id == server_id)
        return list(work.session.scalars(statement.order_by(TestRun.id)))


def events(office: Office, server_id: int, action: str) -> list[ServerEvent]:
    with office.reading() as work:
        statement = select(ServerEvent).where(
            ServerEvent.server_id == server_id, ServerEvent.action == action
        )
        return list(work.session.scalars(statement))


def waiting(office: Office) -> list[Job]:
    with office.reading() as work:
        statement = select(Job).where(Job.kind == "control", Job.state == JobState.WAITING)
        return list(work.session.scalars(statement))


def ask(office: Office, server_id: int, role: Role = Role.OWNER) -> None:
    owner = server_of(office, server_id).owner_id
    actor = Actor(role, owner) if role is Role.OWNER else life.staff(office, role)
    with office.work() as work:
        control.ask_check(work, actor, work.session.get_one(Server, server_id))


def test_a_token_is_made_once_and_belongs_to_one_application(office: Office) -> None:
    one, other = life.make_draft(office), life.make_draft(office)
    before = server_of(office, one).version
    token = token_of(office, one)
    assert is_control_token(token)
    assert token_of(office, one) == token != token_of(office, other)
    assert server_of(office, one).version == before


def test_an_application_is_tested_as_soon_as_control_is_proven(
    desk: Office, dns: DnsServer
) -> None:
    server_id = make_cleared(desk)
    assert causes(desk, server_id) == []
    assert do_jobs(desk, ["control"]) == [("control", "done")]
    assert "no TXT record" in server_of(desk, server_id).control_seen
    assert causes(desk, server_id) == []
    publish(desk, dns, server_id)
    ask(desk, server_id)
    do_jobs(desk, ["control"])
    assert causes(desk, server_id) == ["application"]
    server = server_of(desk, server_id)
    assert (server.control_method, server.state) == ("dns", State.SCREENED)
    (proven,) = events(desk, server_id, "control-proven")
    assert proven.details["method"] == "dns"
    assert control_text(server.control_token) in proven.details["evidence"]
    with pytest.raises(OperationError, match="already"):
        ask(desk, server_id)


def test_a_draft_proves_control_and_is_tested_at_once_when_cleared(
    desk: Office, dns: DnsServer
) -> None:
    server_id = life.make_compared(desk)
    publish(desk, dns, server_id)
    ask(desk, server_id)
    do_jobs(desk, ["control"])
    assert causes(desk, server_id) == []
    screener = life.staff(desk, Role.SCREENER)
    with desk.work() as work:
        server = work.session.get_one(Server, server_id)
        screenings.decide(
            work, screener, server, Verdict.CLEAN, reason="Seen.", seen_version=server.version
        )
    assert causes(desk, server_id) == ["application"]


def test_the_letter_says_how_to_prove_control_only_where_it_is_not(
    desk: Office, dns: DnsServer
) -> None:
    server_id = make_cleared(desk)
    do_jobs(desk, ["mail"])
    letter = next(one for one in letters(desk) if "prove" in str(one["Subject"]))
    text, server = letter.get_content(), server_of(desk, server_id)
    assert f"  Name  {control_name(server.hostname)}\n" in text
    assert f"  Text  {control_text(server.control_token)}\n" in text
    assert f'  control_token = "{server.control_token}"\n' in text
    assert f"/servers/{server_id}/control\n" in text
    proven = life.make_screened(desk)
    do_jobs(desk, ["mail"])
    name = server_of(desk, proven).hostname
    told = [str(one["Subject"]) for one in letters(desk) if name in str(one["Subject"])]
    assert f"{name} has passed the screening" in told


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_gave_no_answer_is_asked_again_later_each_time(
    desk: Office, dns: DnsServer, clock: Clock
) -> None:
    server_id = make_cleared(desk)
    dns.misbehave(control_name(server_of(desk, server_id).hostname), Behaviour.SERVFAIL)
    pauses = []
    for _ in control.RETRIES_AFTER:
        do_jobs(desk, ["control"])
        (job,) = waiting(desk)
        pauses.append((job.run_at - clock.now) // datetime.timedelta(minutes=1))
        clock.now = job.run_at
    assert tuple(pauses) == control.RETRIES_AFTER
    do_jobs(desk, ["control"])
    assert waiting(desk) == []
    assert "does not answer" in server_of(desk, server_id).control_seen
    assert causes(desk, server_id) == []


def test_applications_that_wait_for_their_proof_are_looked_at_every_day(
    desk: Office, dns: DnsServer, clock: Clock
) -> None:
    server_id, draft = make_cleared(desk), life.make_draft(desk)
    do_jobs(desk, ["control"])
    publish(desk, dns, server_id)
    clock.advance(days=1)
    run_daily(desk)
    assert [job.payload["server"] for job in waiting(desk)] == [server_id]
    do_jobs(desk, ["control"])
    assert causes(desk, server_id) == ["application"]
    assert server_of(desk, draft).control_checked_at is None


def test_a_look_is_asked_for_with_a_pause_and_some_times_a_day(
    office: Office, clock: Clock
) -> None:
    server_id = make_cleared(office)
    ask(office, server_id)
    assert len(waiting(office)) == 1
    with pytest.raises(OperationError, match="2 minutes"):
        ask(office, server_id)
    for _ in range(control.LOOKS_A_DAY - 1):
        clock.advance(minutes=control.PAUSE_MINUTES)
        ask(office, server_id)
    clock.advance(minutes=control.PAUSE_MINUTES)
    with pytest.raises(OperationError, match="a day"):
        ask(office, server_id)
    for role in (Role.ADMIN_CONTACT, Role.TREASURER):
        with pytest.raises(ForbiddenError):
            ask(office, server_id, role)


def test_nobody_is_tested_without_proof_at_whoevers_wish(office: Office) -> None:
    server_id = make_cleared(office)
    owner = Actor(Role.OWNER, server_of(office, server_id).owner_id)
    for actor in (owner, life.staff(office, Role.SCREENER)):
        with office.work() as work, pytest.raises(OperationError, match="control"):
            ask_test(work, actor, work.session.get_one(Server, server_id))
    assert causes(office, server_id) == []


def test_a_proof_holds_for_the_registration_and_is_recorded_once(office: Office) -> None:
    server_id = life.make_active(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert control.is_proven(server)
        control.record_proof(work, server, "gateway")
    assert server_of(office, server_id).control_method == "dns"


def test_a_draft_with_another_host_name_proves_anew(desk: Office, dns: DnsServer) -> None:
    server_id = life.make_draft(desk)
    publish(desk, dns, server_id)
    ask(desk, server_id)
    do_jobs(desk, ["control"])
    server = server_of(desk, server_id)
    assert control.is_proven(server)
    answers = {"hostname": life.a_hostname(), "kind": str(server.kind)}
    with desk.work() as work:
        row = work.session.get_one(Server, server_id)
        save_step(work, life.applicant_of(row), row, Step.HOST, answers, is_form=True)
    assert not control.is_proven(server_of(desk, server_id))


def test_nothing_is_looked_for_after_the_end(desk: Office, dns: DnsServer) -> None:
    server_id = make_cleared(desk)
    publish(desk, dns, server_id)
    with desk.work() as work:
        server = work.session.get_one(Server, server_id)
        withdraw(work, life.applicant_of(server), server)
    do_jobs(desk, ["control"])
    assert not control.is_proven(server_of(desk, server_id))
    assert not dns.questions
