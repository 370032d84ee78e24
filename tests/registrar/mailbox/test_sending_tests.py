"""Tests of servers as senders: asked for, made by a real gateway's mail, and kept."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import replace

import pytest
from sqlalchemy import select

from countersign.certification.mailbox.sender import TITLES, SenderTests
from countersign.certification.outcome import BatteryResult, Verdict
from countersign.certification.settings import Battery, Standing
from countersign.certification.test_address import Kind, read
from countersign.registrar.config import Mailbox
from countersign.registrar.operations import sending_tests
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.probing import SendingTest
from countersign.storage.database.servers import Server, ServerEvent
from tests.gateway.world import World
from tests.registrar.conftest import Clock
from tests.registrar.mailbox import making
from tests.registrar.operations import life
from tests.registrar.publishing.making import add_server

OWNER = Actor(Role.OWNER, 1)


def add_proven(office: Office, hostname: str = "mail.alpha.example") -> int:
    server_id = add_server(office, hostname, State.ACTIVE, "", "192.0.2.7")
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.control_proven_at, server.control_method = work.now, "dns"
    return server_id


def ask(office: Office, server_id: int, actor: Actor = OWNER) -> SendingTest:
    with office.work() as work:
        return sending_tests.ask(work, actor, work.session.get_one(Server, server_id))


def result(verdict: Verdict, begun: int = 0) -> dict[str, object]:
    at = datetime.datetime(2026, 3, 2, 9, begun, tzinfo=datetime.UTC)
    made = BatteryResult(
        host="mail.alpha.example", addresses=(), begun_at=at, ended_at=at, outcomes=()
    )
    return {**made.to_dict(), "verdict": verdict}


def record(office: Office, test: SendingTest, verdict: Verdict, begun: int = 0) -> None:
    with office.work() as work:
        found = sending_tests.find(work, test.mark)
        assert found is not None
        sending_tests.record(work, found, verdict, result(verdict, begun))


def look(office: Office, test: SendingTest) -> SendingTest:
    with office.reading() as work:
        return work.session.get_one(SendingTest, test.id)


def events(office: Office, server_id: int) -> list[str]:
    with office.reading() as work:
        statement = select(ServerEvent.action).where(ServerEvent.server_id == server_id)
        return list(work.session.scalars(statement.order_by(ServerEvent.id)))


def test_an_address_is_given_out_that_names_the_test(office: Office) -> None:
    server_id = add_proven(office)
    test = ask(office, server_id)
    with office.reading() as work:
        address = sending_tests.address_of(work, test)
        assert sending_tests.host_of_mark(work, test.mark) == "mail.alpha.example"
        assert not sending_tests.has_passed(work, work.session.get_one(Server, server_id))
    local_part, _, domain = address.partition("@")
    found = read(local_part)
    assert found is not None
    assert (found.kind, found.mark) == (Kind.SENDING, test.mark)
    assert domain == office.config.certification.foreign_domain
    assert events(office, server_id) == [Deed.SENDING_TEST_ASKED]
    assert ask(office, server_id).id == test.id, "it still waits for its message"


def test_whoever_has_not_proven_his_host_gets_nobody_asked(office: Office) -> None:
    server_id = add_server(office, "mail.alpha.example", State.SCREENED)
    with pytest.raises(OperationError, match="Prove first"):
        ask(office, server_id)
    with pytest.raises(ForbiddenError):
        ask(office, add_proven(office, "mail.beta.example"), Actor(Role.TREASURER, 1))
    without = replace(
        office,
        config=office.config.model_copy(
            update={
                "certification": office.config.certification.model_copy(
                    update={"mailbox": Mailbox(listen=())}
                )
            }
        ),
    )
    with pytest.raises(OperationError, match="no test mailbox"):
        ask(without, add_proven(office, "mail.gamma.example"))


def test_tests_are_bounded_by_the_day(office: Office, clock: Clock) -> None:
    server_id = add_proven(office)
    for _ in range(sending_tests.TESTS_A_DAY):
        record(office, ask(office, server_id), Verdict.FAILED)
    with pytest.raises(OperationError, match="10 times a day"):
        ask(office, server_id)
    clock.advance(hours=25)
    ask(office, server_id)


def test_a_test_is_over_after_a_week(office: Office, clock: Clock) -> None:
    server_id = add_proven(office)
    test = ask(office, server_id)
    clock.advance(days=7, seconds=1)
    with office.reading() as work:
        assert sending_tests.host_of_mark(work, test.mark) is None
    assert ask(office, server_id).id != test.id


def test_the_last_word_counts_and_what_could_not_be_told_is_none(office: Office) -> None:
    server_id = add_proven(office)
    test = ask(office, server_id)
    record(office, test, Verdict.COULD_NOT_TEST)
    assert look(office, test).ended_at is None
    record(office, test, Verdict.PASSED, begun=1)
    record(office, test, Verdict.FAILED, begun=2)
    seen = look(office, test)
    assert (seen.verdict, seen.ended_at) == ("passed", office.clock())
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        assert sending_tests.has_passed(work, server)
        assert sending_tests.host_of_mark(work, test.mark) is None
        assert sending_tests.current(work, server) is None
    assert events(office, server_id) == [Deed.SENDING_TEST_ASKED, Deed.SENDING_TEST_PASSED]
    again = ask(office, server_id)
    record(office, again, Verdict.FAILED)
    with office.reading() as work:
        assert not sending_tests.has_passed(work, work.session.get_one(Server, server_id))
    with office.work() as work, pytest.raises(ValueError, match="information"):
        sending_tests.record(work, test, "information", {})


@pytest.mark.parametrize("sending_first", [True, False])
def test_where_it_is_required_nobody_passes_without_it(office: Office, sending_first: bool) -> None:
    certification = office.config.certification.model_copy(update={"sending_test": "required"})
    strict = replace(
        office, config=office.config.model_copy(update={"certification": certification})
    )
    server_id = life.make_screened(strict)

    def state() -> State:
        with strict.reading() as work:
            return work.session.get_one(Server, server_id).state

    def pass_sending() -> None:
        record(strict, ask(strict, server_id), Verdict.PASSED)

    def pass_relay() -> None:
        life.pass_test(strict, server_id)

    first, second = (pass_sending, pass_relay) if sending_first else (pass_relay, pass_sending)
    first()
    assert state() is State.SCREENED
    second()
    assert state() is State.TESTED


async def test_a_real_gateway_passes_and_is_in_the_event_log(office: Office, world: World) -> None:
    alpha = await world.gateway("alpha.example")
    server_id = add_proven(office, alpha.name)
    test = ask(office, server_id)
    world.dns.set("mx.registrar.example", "A", "127.0.0.1")
    world.dns.set(office.config.certification.foreign_domain, "MX", "10 mx.registrar.example.")
    tests = SenderTests(
        Battery(port=world.port, pause=0, timeout=5),
        Standing(networks=("127.0.0.0/8",), nameservers=(world.dns.endpoint,)),
        waits=(0.2, 0.2),
    )
    async with making.mailbox_of(office, tests, f"127.0.0.1:{world.port}"):
        with office.reading() as work:
            address = sending_tests.address_of(work, test)
        [answer] = await alpha.send(b"Subject: x\r\n\r\nx\r\n", address)
        assert answer.code == 250, answer
        kept = look(office, test)
        assert (kept.verdict, kept.ended_at) == ("could-not-test", None)
        assert len(kept.result["outcomes"]) == len(TITLES)
        async with asyncio.timeout(30):
            while look(office, test).ended_at is None:
                await asyncio.sleep(0.05)
    seen = look(office, test)
    assert seen.verdict == "passed"
    outcomes = BatteryResult.from_dict(seen.result).outcomes
    assert [one.name for one in outcomes] == list(TITLES)
    assert events(office, server_id)[-1] == Deed.SENDING_TEST_PASSED
