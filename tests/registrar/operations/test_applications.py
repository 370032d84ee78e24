"""Applications: begun, filled in, submitted, changed, withdrawn, by owners and agents."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from countersign.registrar.operations import applications
from countersign.registrar.operations.applications import (
    begin,
    hand_in,
    return_to_applicant,
    save_step,
    submit,
    withdraw,
)
from countersign.registrar.operations.dossier import load, what_is_missing
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.registrar.operations.transitions import move
from countersign.registrar.particulars.steps import Step
from countersign.registry.dns_client import ResolutionFailedError
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account
from countersign.storage.database.jobs import Job
from countersign.storage.database.publication import PlaceCount, StateCount
from countersign.storage.database.servers import (
    ApplicantKind,
    DocumentContent,
    Server,
    ServerEvent,
)
from tests.registrar.operations import life
from tests.registrar.particulars import examples

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

INDIVIDUAL = ApplicantKind.INDIVIDUAL


def owner(office: Office, email: str = life.OWNER_EMAIL) -> Actor:
    return Actor(Role.OWNER, life.make_account(office, email))


def agent(office: Office) -> Actor:
    return Actor(Role.AGENT, life.make_account(office, "agent@helpers.com.au", Role.AGENT))


def server_of(office: Office, server_id: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, server_id)


def events_of(office: Office, server_id: int) -> list[ServerEvent]:
    with office.reading() as work:
        statement = select(ServerEvent).where(ServerEvent.server_id == server_id)
        return list(work.session.scalars(statement.order_by(ServerEvent.id)))


def test_a_draft_begins_with_its_host_name_in_normal_form(office: Office) -> None:
    with office.work() as work:
        server = begin(work, owner(office), "Mail.Muller.COM.au.", INDIVIDUAL)
    assert (server.hostname, server.state) == ("mail.muller.com.au", State.DRAFT)
    with office.reading() as work:
        assert load(work, server.id).hostname == "mail.muller.com.au"
        assert work.session.get_one(StateCount, State.DRAFT).servers == 1
    assert [event.action for event in events_of(office, server.id)] == ["begin"]


def test_a_name_that_cannot_be_registered_is_refused_with_advice(office: Office) -> None:
    applicant = owner(office)
    for name in ("localhost", "mail.test", "no_good.muller.com.au", "192.0.2.1", "x" * 300):
        with pytest.raises(OperationError), office.work() as work:
            begin(work, applicant, name, INDIVIDUAL)
    with office.reading() as work:
        assert work.session.scalar(select(func.count()).select_from(Server)) == 0


def test_reserved_names_pass_where_the_configuration_lets_them(office: Office) -> None:
    office = life.configured(office, reserved_names=True)
    with office.work() as work:
        server = begin(work, owner(office), "mail.alpha.example", INDIVIDUAL)
    assert server.hostname == "mail.alpha.example"


def test_staff_cannot_begin_an_application(office: Office) -> None:
    screener = life.staff(office, Role.SCREENER)
    with pytest.raises(ForbiddenError), office.work() as work:
        begin(work, screener, "mail.muller.com.au", INDIVIDUAL)


def test_nobody_keeps_more_than_twenty_open_drafts(office: Office) -> None:
    applicant = owner(office)
    with office.work() as work:
        servers = [
            begin(work, applicant, f"mail{number}.muller.com.au", INDIVIDUAL)
            for number in range(applications.DRAFTS)
        ]
        with pytest.raises(OperationError, match="too many"):
            begin(work, applicant, "mail99.muller.com.au", INDIVIDUAL)
        withdraw(work, applicant, servers[0])
        begin(work, applicant, "mail99.muller.com.au", INDIVIDUAL)


def test_a_step_with_errors_is_kept_in_a_draft_and_names_what_to_do(office: Office) -> None:
    server_id = life.make_draft(office, complete=False)
    form = {**examples.OWNER, "birth_date": "31.12.1970"}
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        result = save_step(work, life.applicant_of(server), server, Step.OWNER, form, is_form=True)
    assert "birth_date" in result.errors
    with office.reading() as work:
        assert load(work, server_id).unfinished[Step.OWNER]["name"] == "Zoë Müller"
        missing = what_is_missing(work, work.session.get_one(Server, server_id))
    assert (Step.OWNER, "birth_date") in {(one.step, one.field) for one in missing}


def test_the_public_directory_gets_what_the_owner_lets_it_have(office: Office) -> None:
    server = server_of(office, life.make_draft(office))
    assert (server.country, server.region, server.city) == ("DE", "EU", "Köln")
    assert server.latitude is not None
    assert (server.display_name, server.display_key) == ("Muller Mail", "muller mail")
    assert server.takes_customers
    assert server.website == "https://www.muller.com.au/"


def test_details_that_are_not_to_be_shown_stay_out_of_the_directory(office: Office) -> None:
    hidden = {**examples.DIRECTORY, "listed": "", "email": "info@muller.com.au"}
    hostname = "mail.muller.com.au"
    server_id = life.make_draft(office, hostname=hostname, steps={Step.DIRECTORY: hidden})
    server = server_of(office, server_id)
    assert (server.display_name, server.display_key) == ("", hostname)
    assert (server.public_email, server.website, server.takes_customers) == ("", "", False)
    assert server.city == "Köln"


def test_a_complete_application_is_submitted_and_its_screening_ordered(office: Office) -> None:
    server_id = life.make_submitted(office)
    server = server_of(office, server_id)
    assert server.state is State.SUBMITTED
    assert server.submitted_at == server.state_since == server.in_dns_at
    with office.reading() as work:
        kinds = set(work.session.scalars(select(Job.kind)))
    assert "screen" in kinds


def test_submitting_tells_all_that_is_missing(office: Office) -> None:
    server_id = life.make_draft(office, complete=False)
    with pytest.raises(OperationError) as refusal:
        submit(office, owner(office), server_id, lambda _name: False)
    assert "not complete" in str(refusal.value)
    assert "no address in the DNS" in str(refusal.value)
    assert server_of(office, server_id).state is State.DRAFT


def test_unconfirmed_addresses_keep_an_application_back(office: Office) -> None:
    server_id = life.make_draft(office)
    with pytest.raises(OperationError, match="not confirmed"):
        life.hand_in(office, server_id)


def test_a_silent_dns_is_no_no(office: Office) -> None:
    server_id = life.make_draft(office)

    def fail(_hostname: str) -> bool:
        raise ResolutionFailedError("timed out")

    with pytest.raises(OperationError, match="try it again"):
        submit(office, owner(office), server_id, fail)


def test_a_host_name_that_changed_while_the_dns_was_asked_is_not_submitted(office: Office) -> None:
    server_id = life.make_draft(office)

    def change(_hostname: str) -> bool:
        with office.work() as work:
            server = work.session.get_one(Server, server_id)
            form = {"hostname": "other.muller.com.au", "kind": "individual"}
            save_step(work, life.applicant_of(server), server, Step.HOST, form, is_form=True)
        return True

    with pytest.raises(ConflictError):
        submit(office, owner(office), server_id, change)


def test_a_name_under_application_is_taken_for_others(office: Office) -> None:
    life.make_submitted(office, hostname="mail.muller.com.au")
    other = owner(office, "other@muller.com.au")
    with pytest.raises(OperationError, match="registered already"), office.work() as work:
        begin(work, other, "mail.muller.com.au", INDIVIDUAL)


def test_of_two_who_submit_one_name_at_once_one_is_told_that_it_is_taken(office: Office) -> None:
    drafts = [life.make_draft(office, hostname="mail.muller.com.au") for _ in range(2)]
    for server_id in drafts:
        life.confirm_contacts(office, server_id)
    together, outcomes = threading.Barrier(2), []

    def hand_in_now(server_id: int) -> None:
        try:
            with office.work() as work:
                server = work.session.get_one(Server, server_id)
                server.in_dns_at = work.now
                if not office.database.is_sqlite:
                    together.wait(10)
                hand_in(work, life.applicant_of(server), server)
        except OperationError as error:
            outcomes.append(str(error))
        else:
            outcomes.append("")

    threads = [threading.Thread(target=hand_in_now, args=(one,)) for one in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[0] == ""
    assert "registered already" in sorted(outcomes)[1]
    states = sorted(server_of(office, one).state for one in drafts)
    assert states == [State.DRAFT, State.SUBMITTED]


def test_what_is_saved_while_an_application_is_submitted_is_looked_at_too(office: Office) -> None:
    server_id = life.make_draft(office)
    life.confirm_contacts(office, server_id)
    applicant = owner(office)
    is_saved, may_commit = threading.Event(), threading.Event()

    def spoil() -> None:
        with office.work() as work:
            server = work.session.get_one(Server, server_id)
            form = {**examples.OWNER, "birth_date": ""}
            save_step(work, life.applicant_of(server), server, Step.OWNER, form, is_form=True)
            is_saved.set()
            may_commit.wait(10)

    def find(_hostname: str) -> bool:
        # The submission's transaction begins next, while the other has not ended.
        threading.Timer(0.3, may_commit.set).start()
        return True

    thread = threading.Thread(target=spoil)
    thread.start()
    assert is_saved.wait(10)
    with pytest.raises(OperationError, match="not complete"):
        submit(office, applicant, server_id, find)
    thread.join()
    assert server_of(office, server_id).state is State.DRAFT


def test_an_application_stands_still_while_it_is_screened(office: Office) -> None:
    server_id = life.make_submitted(office)
    with pytest.raises(OperationError, match="being checked"), office.work() as work:
        server = work.session.get_one(Server, server_id)
        save_step(
            work, life.applicant_of(server), server, Step.LOCATION, examples.LOCATION, is_form=True
        )


def test_who_the_owner_is_cannot_be_changed_after_screening(office: Office) -> None:
    server_id = life.make_screened(office)
    for change in ({"name": "Somebody Else"}, {"birth_date": "1971-12-31"}):
        with pytest.raises(OperationError, match="fixed"), office.work() as work:
            server = work.session.get_one(Server, server_id)
            form = {**examples.OWNER, **change}
            save_step(work, life.applicant_of(server), server, Step.OWNER, form, is_form=True)


def test_an_owner_who_moves_says_so_later_too_and_it_is_on_record(office: Office) -> None:
    server_id = life.make_screened(office)
    form = {**examples.OWNER, "address-line1": "7 Pitt Street"}
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert save_step(work, life.applicant_of(server), server, Step.OWNER, form, is_form=True).ok
    last = events_of(office, server_id)[-1]
    assert (last.action, last.details) == ("changed", {"step": "owner"})


def test_a_later_change_with_errors_changes_nothing(office: Office) -> None:
    server_id = life.make_screened(office)
    with office.work() as work:
        before = load(work, server_id)
        server = work.session.get_one(Server, server_id)
        form = {**examples.LOCATION, "address-country": "XX"}
        assert not save_step(
            work, life.applicant_of(server), server, Step.LOCATION, form, is_form=True
        ).ok
        assert load(work, server_id) == before


def test_a_new_admin_contact_is_written_to(office: Office) -> None:
    server_id = life.make_screened(office)
    before = len(life.mailed_tokens(office, server_id))
    form = {**examples.ADMIN_CONTACT, "name": "Eva Nová", "email": "eva@muller.com.au"}
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert save_step(
            work, life.applicant_of(server), server, Step.ADMIN_CONTACT, form, is_form=True
        ).ok
    assert len(life.mailed_tokens(office, server_id)) == before + 1


def test_the_directorys_figures_follow_an_active_server_that_moves(office: Office) -> None:
    server_id = life.make_active(office)
    vienna = {
        "address-country": "AT",
        "address-line1": "Ring 1",
        "address-locality": "Wien",
        "address-postal_code": "1010",
    }
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        assert save_step(
            work, life.applicant_of(server), server, Step.LOCATION, vienna, is_form=True
        ).ok
        directory = {**examples.DIRECTORY, "takes_customers": ""}
        assert save_step(
            work, life.applicant_of(server), server, Step.DIRECTORY, directory, is_form=True
        ).ok
    with office.reading() as work:
        rows = work.session.scalars(select(PlaceCount)).all()
        figures = {(row.country, row.servers, row.providers) for row in rows}
    assert figures == {("DE", 0, 0), ("AT", 1, 0)}


def test_an_agent_applies_for_an_owner_who_has_no_account_yet(office: Office) -> None:
    with office.work() as work:
        server = begin(
            work,
            agent(office),
            "mail.muller.com.au",
            INDIVIDUAL,
            owner_email="Zoe@Muller.com.au",
            owner_name="Zoë Müller",
        )
    with office.reading() as work:
        account = work.session.get_one(Account, server.owner_id)
    assert (account.email, account.password_hash) == ("zoe@muller.com.au", "")
    assert account.email_confirmed_at is None
    assert server.agent_id is not None


def test_an_agents_application_waits_for_the_owners_own_word(office: Office) -> None:
    applicant = agent(office)
    zoe = life.make_account(office, life.OWNER_EMAIL)
    server_id = life.make_draft(office, owner=zoe, agent=applicant.account_id)
    with pytest.raises(OperationError, match="not confirmed"):
        life.hand_in(office, server_id)
    life.confirm_contacts(office, server_id)
    life.hand_in(office, server_id)
    assert server_of(office, server_id).state is State.SUBMITTED
    assert events_of(office, server_id)[-1].role is Role.AGENT


def test_a_withdrawn_draft_leaves_no_scans_behind(office: Office) -> None:
    server_id = life.make_draft(office)
    with office.work() as work:
        assert work.session.scalar(select(func.count()).select_from(DocumentContent)) == 3
        server = work.session.get_one(Server, server_id)
        withdraw(work, life.applicant_of(server), server)
    with office.reading() as work:
        assert work.session.scalar(select(func.count()).select_from(DocumentContent)) == 0
    assert server_of(office, server_id).state is State.WITHDRAWN


def test_a_screener_returns_an_application_with_what_is_to_be_changed(
    office: Office, clock: Clock
) -> None:
    server_id = life.make_submitted(office)
    screener = life.staff(office, Role.SCREENER)
    with pytest.raises(OperationError, match="reason"), office.work() as work:
        return_to_applicant(work, screener, work.session.get_one(Server, server_id), " ")
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return_to_applicant(work, screener, server, "The scan is not readable.")
    last = events_of(office, server_id)[-1]
    assert (last.action, last.reason) == (Action.RETURN, "The scan is not readable.")
    clock.advance(hours=2)
    life.hand_in(office, server_id)
    assert server_of(office, server_id).state is State.SUBMITTED


def test_an_owner_cannot_return_or_clear_the_own_application(office: Office) -> None:
    server_id = life.make_submitted(office)
    for action in (Action.RETURN, Action.CLEAR):
        with pytest.raises(OperationError, match="not for the role"), office.work() as work:
            server = work.session.get_one(Server, server_id)
            move(work, server, action, life.applicant_of(server), reason="Mine.")


def test_an_ended_application_is_not_changed_any_more(office: Office) -> None:
    server_id = life.make_draft(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        withdraw(work, life.applicant_of(server), server)
    with pytest.raises(OperationError, match="ended"), office.work() as work:
        server = work.session.get_one(Server, server_id)
        save_step(work, life.applicant_of(server), server, Step.LOCATION, {}, is_form=True)


@pytest.mark.parametrize("kind", list(ApplicantKind))
def test_both_kinds_of_applicant_can_complete_an_application(
    office: Office, kind: ApplicantKind
) -> None:
    server_id = life.make_submitted(office, kind=kind)
    assert server_of(office, server_id).kind is kind
