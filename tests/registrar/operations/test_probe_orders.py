"""What probes are told to do, and what they say they found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from countersign.certification.outcome import Proof, Verdict
from countersign.registrar.config import Mailbox
from countersign.registrar.operations import probe_orders
from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.office import NotFoundError, Office, OperationError
from countersign.registrar.operations.transitions import move
from countersign.registrar.operations.traps import traps_of
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.jobs import Job
from countersign.storage.database.probing import Probe, ProbeOrder
from countersign.storage.database.servers import Server, TestRun
from tests.registrar import probing
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life
from tests.registrar.operations.at_once import at_once

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def begun(office: Office) -> int:
    """Let the test of an applicant begin; return the server."""
    server_id = life.make_screened(office)
    do_jobs(office, ["test"])
    return server_id


def host_of(office: Office, server_id: int) -> str:
    with office.reading() as work:
        return work.session.get_one(Server, server_id).hostname


def order_of(office: Office, order_id: int) -> ProbeOrder:
    with office.reading() as work:
        return work.session.get_one(ProbeOrder, order_id)


def settlings(office: Office) -> int:
    """Return how often a look at a run has been ordered."""
    with office.reading() as work:
        return len(work.session.scalars(select(Job.id).where(Job.kind == "settle")).all())


def order_another(office: Office, server_id: int) -> None:
    """Let another test of a server begin."""
    with office.work() as work:
        order_test(work, work.session.get_one(Server, server_id), "staff")
    do_jobs(office, ["test"])


def test_each_probe_that_was_drawn_gets_the_same_order_with_a_mark_of_its_own(
    office: Office,
) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    orders = []
    for key in keys:
        order = probing.fetch(office, key)
        assert order is not None
        assert order.probe == key
        probing.send(office, key, order.id, probing.result_of(host))
        orders.append(order)
    assert {one.assignment.host for one in orders} == {host}
    assert {one.assignment.battery for one in orders} == {office.config.certification.battery()}
    assert len({one.assignment.mark for one in orders}) == 3
    assert {order_of(office, one.id).label for one in orders} == {"A", "B", "C"}
    assert all(probing.fetch(office, key) is None for key in keys)


def test_an_order_names_the_token_and_the_traps_of_a_registered_server(office: Office) -> None:
    keys = probing.enrol(office, 3)
    server_id = life.make_active(office)
    order_another(office, server_id)
    order = probing.fetch(office, keys[0])
    assert order is not None
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        mailboxes = {f"{one.local_part}@{server.hostname}" for one in traps_of(work, server)}
        assert order.assignment.control_token == server.control_token
    assert set(order.assignment.traps) == mailboxes
    assert mailboxes


def test_without_a_test_mailbox_no_message_is_ordered(office: Office) -> None:
    settings = office.config.certification.model_copy(update={"mailbox": Mailbox(listen=())})
    office = replace(office, config=office.config.model_copy(update={"certification": settings}))
    keys = probing.enrol(office, 3)
    begun(office)
    order = probing.fetch(office, keys[0])
    assert order is not None
    assert order.assignment.mark == ""


def test_one_probe_at_a_time_is_at_a_host_and_another_host_is_free(office: Office) -> None:
    keys = probing.enrol(office, 3)
    first = begun(office)
    order = probing.fetch(office, keys[0])
    assert order is not None
    assert probing.fetch(office, keys[1]) is None
    second = begun(office)
    other = probing.fetch(office, keys[1])
    assert other is not None
    assert other.assignment.host == host_of(office, second)
    probing.send(office, keys[0], order.id, probing.result_of(host_of(office, first)))
    free = probing.fetch(office, keys[2])
    assert free is not None
    assert free.assignment.host == host_of(office, first)


def test_a_probe_comes_to_a_host_again_when_questions_are_no_longer_suspended(
    office: Office, clock: Clock
) -> None:
    keys = probing.enrol(office, 4)
    server_id = begun(office)
    host = host_of(office, server_id)
    first = {one.probe_id for one in probing.open_orders(office)}
    for key in sorted(first):
        order = probing.fetch(office, key)
        assert order is not None
        probing.send(office, key, order.id, probing.result_of(host))
    order_another(office, server_id)
    fresh = next(key for key in keys if key not in first)
    tired = next(one.probe_id for one in probing.open_orders(office) if one.probe_id != fresh)
    assert probing.fetch(office, tired) is None
    order = probing.fetch(office, fresh)
    assert order is not None
    probing.send(office, fresh, order.id, probing.result_of(host))
    clock.advance(minutes=5)
    assert probing.fetch(office, tired) is not None


def test_of_probes_that_ask_at_once_one_gets_the_host(office: Office) -> None:
    keys = probing.enrol(office, 3)
    begun(office)

    def ask(key: int) -> object:
        return probing.fetch(office, key)

    given = at_once(*(lambda key=key: ask(key) for key in keys))
    assert len([one for one in given if one is not None]) == 1


def test_a_probe_that_goes_silent_keeps_others_from_a_host_for_its_share_of_the_time_only(
    office: Office, clock: Clock
) -> None:
    keys = probing.enrol(office, 3)
    begun(office)
    assert probing.fetch(office, keys[0]) is not None
    settings = office.config.certification
    clock.advance(minutes=settings.order_minutes / settings.probes - 1)
    assert probing.fetch(office, keys[1]) is None
    clock.advance(minutes=1)
    assert probing.fetch(office, keys[1]) is not None


def test_a_probe_that_begins_anew_again_and_again_keeps_nobody_away_for_longer(
    office: Office, clock: Clock
) -> None:
    keys = probing.enrol(office, 3)
    begun(office)
    for _ in range(3):
        assert probing.fetch(office, keys[0]) is not None
        clock.advance(minutes=7)
    assert probing.fetch(office, keys[1]) is not None


def test_an_order_that_got_lost_is_given_again_and_one_that_is_held_is_not(
    office: Office,
) -> None:
    keys = probing.enrol(office, 3)
    begun(office)
    order = probing.fetch(office, keys[0])
    assert order is not None
    assert probing.fetch(office, keys[0], held=[order.id]) is None
    assert probing.fetch(office, keys[0]) == order


def test_a_result_is_taken_once_and_the_same_again_does_nothing(
    office: Office, clock: Clock
) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    order = probing.fetch(office, keys[0])
    assert order is not None
    before = settlings(office)
    probing.send(office, keys[0], order.id, probing.result_of(host))
    stored = order_of(office, order.id)
    clock.advance(minutes=1)
    probing.send(office, keys[0], order.id, probing.result_of(host))
    again = order_of(office, order.id)
    assert (again.ended_at, again.result) == (stored.ended_at, stored.result)
    assert settlings(office) == before + 1
    with pytest.raises(OperationError, match="has ended"):
        probing.send(office, keys[0], order.id, probing.result_of(host, Verdict.FAILED))


def test_a_probe_that_posts_twice_at_once_is_taken_once(office: Office) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    order = probing.fetch(office, keys[0])
    assert order is not None
    before = settlings(office)

    def post() -> None:
        probing.send(office, keys[0], order.id, probing.result_of(host))

    assert at_once(post, post, post) == [None, None, None]
    assert settlings(office) == before + 1


def test_the_same_result_is_welcome_after_the_run_has_been_decided(office: Office) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    results = []
    for key in keys:
        order = probing.fetch(office, key)
        assert order is not None
        results.append((key, order.id, probing.result_of(host)))
        probing.send(office, *results[-1])
    do_jobs(office, ["settle"])
    for one in results:
        assert order_of(office, one[1]).result == {}
        probing.send(office, *one)


def test_results_of_others_orders_and_of_other_hosts_are_refused(office: Office) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    order = probing.fetch(office, keys[0])
    assert order is not None
    with pytest.raises(NotFoundError):
        probing.send(office, keys[1], order.id, probing.result_of(host))
    with pytest.raises(NotFoundError):
        probing.send(office, keys[0], 10**6, probing.result_of(host))
    with pytest.raises(OperationError, match="another host"):
        probing.send(office, keys[0], order.id, probing.result_of("mail.other.example"))
    unfetched = next(one for one in probing.open_orders(office) if one.probe_id == keys[1])
    with pytest.raises(OperationError, match="has not been fetched"):
        probing.send(office, keys[1], unfetched.id, probing.result_of(host))
    assert len(probing.open_orders(office)) == 3


def test_no_probe_says_itself_that_something_is_proven(office: Office) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    order = probing.fetch(office, keys[0])
    assert order is not None
    said = probing.outcome(Verdict.FAILED).model_copy(update={"proof": Proof.RELAYED})
    with pytest.raises(OperationError, match="no probe says it"):
        result = probing.result_of(host).model_copy(update={"outcomes": (said,)})
        probing.send(office, keys[0], order.id, result)


def test_a_result_that_comes_too_late_is_refused(office: Office, clock: Clock) -> None:
    keys = probing.enrol(office, 3)
    host = host_of(office, begun(office))
    order = probing.fetch(office, keys[0])
    assert order is not None
    clock.advance(minutes=office.config.certification.order_minutes, seconds=1)
    with pytest.raises(OperationError, match="too late"):
        probing.send(office, keys[0], order.id, probing.result_of(host))
    assert probing.fetch(office, keys[0]) is None


def test_nobody_is_tested_any_more_who_has_withdrawn(office: Office) -> None:
    keys = probing.enrol(office, 3)
    server_id = begun(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        move(work, server, Action.WITHDRAW, life.applicant_of(server))
    assert [probing.fetch(office, key) for key in keys] == [None] * 3
    do_jobs(office, ["settle"])
    with office.reading() as work:
        run = work.session.scalars(select(TestRun)).one()
        assert run.verdict == "could-not-test"
        assert work.session.get_one(Server, server_id).state is State.WITHDRAWN


def test_asking_for_work_is_noted_to_the_minute(office: Office, clock: Clock) -> None:
    (key,) = probing.enrol(office, 1)
    began = clock.now
    clock.advance(seconds=59)
    assert probing.fetch(office, key) is None
    with office.reading() as work:
        probe = work.session.get_one(Probe, key)
        assert probe.seen_at == began
        assert not probe_orders.has_order(work, probe)
    clock.advance(seconds=1)
    probing.fetch(office, key)
    with office.reading() as work:
        assert work.session.get_one(Probe, key).seen_at == clock.now
