"""Screenings: compared with the offenders, decided by a person, by one of two at once."""

from __future__ import annotations

import datetime
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from countersign.registrar.operations import screenings
from countersign.registrar.operations.control import record_proof
from countersign.registrar.operations.offenders import Details, GivenNumber, record_offender
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Level, Verdict
from countersign.storage.database.jobs import Job
from countersign.storage.database.screening import Offender, ScreeningRecord
from countersign.storage.database.servers import Server, ServerEvent, TestRun
from tests.registrar.operations import life

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

LICENCE = GivenNumber("drivers-licence", "AU-NSW", "12345678")
"""The owner's in `examples.OWNER`."""


def add_offender(
    office: Office,
    name: str = "Zoë Müller",
    *,
    birth_date: datetime.date | None = datetime.date(1970, 12, 31),
    numbers: tuple[GivenNumber, ...] = (),
    level: Level = Level.WARNED,
    address: str = "",
) -> int:
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        return record_offender(
            work,
            adjudicator,
            Details(name, birth_date, address, numbers),
            level=level,
            offence_on=datetime.date(2025, 5, 17),
            case_reference="case 1",
        ).id


def screened(office: Office, **how: Any) -> tuple[Server, ScreeningRecord]:
    server_id = life.make_compared(office, **how)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        record = screenings.latest_record(work, server)
    assert record is not None
    return server, record


def server_of(office: Office, server_id: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, server_id)


def decide(
    office: Office,
    server: Server,
    verdict: Verdict,
    *,
    reason: str = "",
    actor: Actor | None = None,
    seen_version: int | None = None,
) -> None:
    screener = actor or life.staff(office, Role.SCREENER)
    with office.work() as work:
        screenings.decide(
            work,
            screener,
            work.session.get_one(Server, server.id),
            verdict,
            reason=reason,
            seen_version=server.version if seen_version is None else seen_version,
        )


def test_an_unknown_applicant_is_clean_and_waits_for_a_person(office: Office) -> None:
    add_offender(office, "Somebody Else", birth_date=datetime.date(1950, 1, 1))
    server, record = screened(office)
    assert (record.verdict, record.matches, record.decision) == (Verdict.CLEAN, [], None)
    assert server.state is State.SUBMITTED


def test_the_comparison_orders_the_look_up_of_the_domains_age(office: Office) -> None:
    server, record = screened(office)
    with office.reading() as work:
        job = work.session.scalars(
            select(Job).where(Job.unique_key == f"domain-age:{record.id}")
        ).one()
    assert (job.kind, job.payload) == ("domain-age", {"server": server.id})


def test_the_number_of_a_barred_offender_denies_at_once_and_tells_nothing_of_the_record(
    office: Office,
) -> None:
    add_offender(office, "Another Name", numbers=(LICENCE,), level=Level.BARRED)
    server, record = screened(office)
    assert (server.state, record.verdict, record.decision) == (
        State.DENIED,
        Verdict.DENY,
        Verdict.DENY,
    )
    with office.reading() as work:
        event = work.session.scalars(select(ServerEvent).where(ServerEvent.action == "deny")).one()
    assert event.role is Role.SYSTEM
    assert event.reason == screenings.DENIED
    assert "Another" not in event.reason
    assert "2025" not in event.reason


def test_numbers_are_compared_however_they_are_written(office: Office) -> None:
    written = GivenNumber("drivers-licence", "au-nsw", " 12 345-678")
    add_offender(office, "Another Name", numbers=(written,), level=Level.BARRED)
    assert screened(office)[0].state is State.DENIED


def test_the_same_number_of_another_state_is_another_number(office: Office) -> None:
    add_offender(
        office,
        "Another Name",
        numbers=(GivenNumber("drivers-licence", "AU-QLD", "12345678"),),
        level=Level.BARRED,
    )
    assert screened(office)[0].state is State.SUBMITTED


def test_the_number_of_a_warned_offender_multiplies_the_bond(office: Office) -> None:
    offender = add_offender(office, numbers=(LICENCE,))
    server, record = screened(office)
    assert (record.verdict, server.state) == (Verdict.MULTIPLY, State.SUBMITTED)
    (match,) = record.matches
    assert (match["offender"], match["subject"], match["exact"]) == (offender, "owner", True)
    decide(office, server, Verdict.MULTIPLY)
    cleared = server_of(office, server.id)
    assert (cleared.state, cleared.matched_offender) == (State.SCREENED, True)


def test_a_likeness_is_doubtful_and_says_why(office: Office) -> None:
    add_offender(office, "Zoe Mueller", address="1 George Street, Sydney NSW 2000, Australia")
    _, record = screened(office)
    assert record.verdict is Verdict.DOUBTFUL
    (match,) = record.matches
    assert not match["exact"]
    assert any("birth date" in reason for reason in match["reasons"])


def test_no_likeness_denies_by_itself_however_strong(office: Office) -> None:
    address = "1 George Street, Sydney NSW 2000, Australia"
    add_offender(office, level=Level.BARRED, address=address)
    server, record = screened(office)
    assert (server.state, record.verdict) == (State.SUBMITTED, Verdict.DOUBTFUL)


def test_directors_are_compared_too(office: Office) -> None:
    offender = add_offender(office, numbers=(LICENCE,))
    _, record = screened(office, kind=life.ApplicantKind.BUSINESS)
    found = {(one["offender"], one["subject"]) for one in record.matches if one["exact"]}
    # The form has the same licence for both.
    assert found == {(offender, "director-1"), (offender, "director-2")}


def test_withdrawn_records_count_for_nothing(office: Office) -> None:
    offender_id = add_offender(office, numbers=(LICENCE,), level=Level.BARRED)
    with office.work() as work:
        work.session.get_one(Offender, offender_id).withdrawn_at = work.now
    assert screened(office)[1].verdict is Verdict.CLEAN


def test_a_screening_that_is_done_twice_leaves_one_record(office: Office) -> None:
    server_id = life.make_submitted(office)
    comparison = screenings.compare_with_offenders(office, server_id)
    for _ in range(2):
        with office.work() as work:
            server = work.session.get_one(Server, server_id)
            screenings.record_comparison(work, server, comparison)
    with office.reading() as work:
        assert len(work.session.scalars(select(ScreeningRecord)).all()) == 1


def test_a_comparison_of_papers_that_were_returned_since_is_dropped(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_submitted(office)
    late = screenings.compare_with_offenders(office, server_id)
    screener = life.staff(office, Role.SCREENER)
    with office.work() as work:
        life.move(
            work,
            work.session.get_one(Server, server_id),
            life.Action.RETURN,
            screener,
            reason="Scan it again.",
        )
    clock.advance(hours=1)
    life.hand_in(office, server_id)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert screenings.record_comparison(work, server, late) is None
    with pytest.raises(OperationError, match="not finished"):
        decide(office, server_of(office, server_id), Verdict.CLEAN)


def test_clearing_orders_the_test(office: Office) -> None:
    server, record = screened(office)
    with office.work() as work:
        record_proof(work, work.session.get_one(Server, server.id), "dns")
    decide(office, server, Verdict.CLEAN)
    with office.reading() as work:
        runs = work.session.scalars(select(TestRun.cause)).all()
        decided = work.session.get_one(ScreeningRecord, record.id)
    assert runs == ["application"]
    assert (decided.decision, decided.decided_at) == (Verdict.CLEAN, office.clock())


def test_a_denial_needs_a_reason_and_gives_it_to_the_applicant(office: Office) -> None:
    server, _ = screened(office)
    with pytest.raises(OperationError, match="why"):
        decide(office, server, Verdict.DENY)
    decide(office, server, Verdict.DENY, reason="The papers are not yours.")
    with office.reading() as work:
        last = work.session.scalars(select(ServerEvent).order_by(ServerEvent.id.desc())).first()
    assert last is not None
    assert (last.to_state, last.reason) == (State.DENIED, "The papers are not yours.")


def test_a_decision_against_the_finding_needs_a_reason(office: Office) -> None:
    add_offender(office, numbers=(LICENCE,))
    server, _ = screened(office)
    with pytest.raises(OperationError, match="why"):
        decide(office, server, Verdict.CLEAN)
    decide(office, server, Verdict.CLEAN, reason="The record is of a namesake.")
    assert not server_of(office, server.id).matched_offender


def test_doubt_is_no_decision_and_a_bond_is_not_raised_for_nothing(office: Office) -> None:
    server, _ = screened(office)
    for verdict in (Verdict.DOUBTFUL, Verdict.MULTIPLY):
        with pytest.raises(OperationError):
            decide(office, server, verdict, reason="Hm.")


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADJUDICATOR, Role.AUDITOR, Role.ADMINISTRATOR])
def test_only_screeners_decide(office: Office, role: Role) -> None:
    server, _ = screened(office)
    with pytest.raises(OperationError):
        decide(office, server, Verdict.CLEAN, actor=life.staff(office, role))
    assert server_of(office, server.id).state is State.SUBMITTED


def test_a_screener_does_not_decide_on_the_own_application(office: Office) -> None:
    screener = life.staff(office, Role.SCREENER)
    assert screener.account_id is not None
    server_id = life.make_draft(office, owner=screener.account_id)
    life.confirm_contacts(office, server_id)
    life.hand_in(office, server_id)
    life.compare(office, server_id)
    with pytest.raises(ForbiddenError, match="own"):
        decide(office, server_of(office, server_id), Verdict.CLEAN, actor=screener)


def test_a_screener_who_saw_an_older_state_is_told(office: Office) -> None:
    server, _ = screened(office)
    decide(office, server, Verdict.CLEAN)
    with pytest.raises(ConflictError, match="screened"):
        decide(office, server, Verdict.DENY, reason="No.")


def test_of_two_screeners_at_once_one_decides_and_the_other_is_told(office: Office) -> None:
    for _ in range(3):
        server, _ = screened(office)
        life.staff(office, Role.SCREENER)
        other = Actor(
            Role.SCREENER, life.make_account(office, "second@registrar.com.au", Role.SCREENER)
        )
        together, outcomes = threading.Barrier(2), []

        def decide_now(
            verdict: Verdict, actor: Actor | None, server: Server = server, outcomes: Any = outcomes
        ) -> None:
            together.wait(10)  # noqa: B023
            try:
                decide(office, server, verdict, reason="Seen.", actor=actor)
            except ConflictError:
                outcomes.append("told")
            else:
                outcomes.append(str(verdict))

        threads = [
            threading.Thread(target=decide_now, args=(Verdict.CLEAN, None)),
            threading.Thread(target=decide_now, args=(Verdict.DENY, other)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winner = next(one for one in outcomes if one != "told")
        assert sorted(outcomes) == sorted([winner, "told"])
        state = server_of(office, server.id).state
        assert state is (State.SCREENED if winner == "clean" else State.DENIED)


def test_clearing_by_the_system_waits_for_the_domains_age_and_is_off_by_default(
    office: Office,
) -> None:
    assert screened(office)[0].state is State.SUBMITTED
    office = life.configured(office, screening={"automatic": True})
    waiting, _ = screened(office, registered_on=None)
    assert waiting.state is State.SUBMITTED
    server, record = screened(office)
    assert (server.state, record.decision, record.decided_by) == (
        State.SCREENED,
        Verdict.CLEAN,
        None,
    )


def test_the_system_clears_nobody_of_whom_something_was_found(office: Office) -> None:
    office = life.configured(office, screening={"automatic": True})
    add_offender(office, numbers=(LICENCE,))
    assert screened(office)[0].state is State.SUBMITTED


def test_the_queue_shows_who_waits_longest_first_page_by_page(office: Office, clock: Clock) -> None:
    servers = []
    for _ in range(5):
        servers.append(life.make_submitted(office))
        clock.advance(hours=1)
    life.compare(office, servers[0])
    seen: list[int] = []
    cursor = None
    with office.reading() as work:
        while True:
            page = screenings.queue(work, cursor=cursor, limit=2)
            seen += [row.server.id for row in page.rows]
            if page.next is None:
                break
            cursor = page.next
        first = screenings.queue(work, limit=1).rows[0]
    assert seen == servers
    assert first.record is not None
    assert first.record.verdict is Verdict.CLEAN
    assert first.waiting == datetime.timedelta(hours=5)


def test_a_made_up_page_address_is_refused(office: Office) -> None:
    with office.reading() as work:
        for cursor in ("x", "WyJ4IiwxXQ", "bm9wZQ" * 500):
            with pytest.raises(OperationError):
                screenings.queue(work, cursor=cursor)
