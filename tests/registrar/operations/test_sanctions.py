"""Suspending, reinstating, striking off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from countersign.registrar.operations import deregistration, sanctions
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.histories import history
from countersign.registrar.operations.offers import review, try_activate
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.storage.database.money import InvoiceKind, Purpose
from countersign.storage.database.publication import Listing
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.treasury import BOND, OLD

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def suspend(office: Office, server_id: int, actor: Actor | None = None, **how: Any) -> None:
    who = actor or treasury.adjudicator(office)
    with office.work() as work:
        sanctions.suspend(
            work,
            who,
            work.session.get_one(Server, server_id),
            **{
                "reason": "A trap was hit.",
                "public_reason": "spam",
                "remedy": "Name the user who sent it.",
                **how,
            },
        )


def do(office: Office, operation: Any, server_id: int, *args: Any, **how: Any) -> Any:
    """Do what an adjudicator does with a server."""
    who = how.pop("actor", None) or treasury.adjudicator(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return operation(work, who, server, *args, **how)


def strike_off(office: Office, server_id: int) -> None:
    do(office, deregistration.propose_deregistration, server_id, reason="Repeated spam.")
    do(office, deregistration.deregister, server_id, actor=treasury.second_adjudicator(office))


def test_a_suspension_says_why_to_everybody_and_what_lifts_it(office: Office) -> None:
    server_id = treasury.make_active(office)
    suspend(office, server_id)
    server = treasury.server_of(office, server_id)
    assert server.state is State.SUSPENDED
    assert (server.public_reason, server.remedy) == ("spam", "Name the user who sent it.")
    assert treasury.listing(office, server_id) is Listing.SUSPENDED
    (event,) = treasury.events(office, server_id, Action.SUSPEND)
    assert (event.reason, event.public_text) == ("A trap was hit.", "spam")


def test_it_is_lifted_when_a_person_says_that_the_remedy_is_done(office: Office) -> None:
    server_id = treasury.make_active(office)
    suspend(office, server_id)
    with pytest.raises(OperationError, match="remedy"):
        do(office, sanctions.reinstate, server_id, "It seems well.")
    assert do(office, sanctions.mark_remedy_done, server_id, "The user was named.")
    server = treasury.server_of(office, server_id)
    assert server.state is State.ACTIVE
    assert (server.public_reason, server.remedy, server.remedy_done_at) == ("", "", None)
    assert treasury.listing(office, server_id) is Listing.REGISTERED


def test_nothing_but_a_persons_word_lifts_a_suspension_for_spam(office: Office) -> None:
    server_id = treasury.make_active(office)
    suspend(office, server_id, remedy="")
    with office.work() as work:
        assert not try_activate(work, work.session.get_one(Server, server_id))
    do(office, sanctions.reinstate, server_id, "The report was wrong.")
    assert treasury.state_of(office, server_id) is State.ACTIVE


def test_what_a_suspension_asks_for_can_be_changed(office: Office) -> None:
    server_id = treasury.make_active(office)
    suspend(office, server_id)
    do(
        office,
        sanctions.change_suspension,
        server_id,
        reason="The server is an open relay, too.",
        public_reason="open relay",
        remedy="Close the relay.",
    )
    server = treasury.server_of(office, server_id)
    assert (server.public_reason, server.remedy) == ("open relay", "Close the relay.")
    assert treasury.events(office, server_id, Happening.SUSPENSION_CHANGED)


@pytest.mark.parametrize("public_reason", ["", " ", "x" * 201, "a\x00b", "ä" * 101])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_the_public_is_told_fits_into_the_registry(office: Office, public_reason: str) -> None:
    server_id = treasury.make_active(office)
    with pytest.raises(OperationError):
        suspend(office, server_id, public_reason=public_reason)
    assert treasury.state_of(office, server_id) is State.ACTIVE


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_adjudicators_and_none_who_is_a_party_sanction(office: Office) -> None:
    server_id = treasury.make_active(office)
    for role in (Role.OWNER, Role.TREASURER, Role.SCREENER, Role.AUDITOR, Role.ADMINISTRATOR):
        with pytest.raises(ForbiddenError):
            suspend(office, server_id, Actor(role, life.make_account(office)))
    owner = treasury.server_of(office, server_id).owner_id
    with pytest.raises(ForbiddenError, match="party"):
        suspend(office, server_id, Actor(Role.ADJUDICATOR, owner))
    suspend(office, server_id, SYSTEM)


def test_of_two_who_decide_on_what_they_saw_the_second_is_told(office: Office) -> None:
    server_id = treasury.make_active(office)
    seen = treasury.server_of(office, server_id).version
    suspend(office, server_id, seen_version=seen)
    with pytest.raises(ConflictError, match="Somebody else"):
        do(
            office,
            deregistration.propose_deregistration,
            server_id,
            reason="Spam.",
            seen_version=seen,
        )


def test_striking_off_takes_two_people(office: Office) -> None:
    server_id = treasury.make_active(office)
    with pytest.raises(OperationError, match="first be proposed"):
        do(office, deregistration.deregister, server_id)
    do(
        office,
        deregistration.propose_deregistration,
        server_id,
        reason="Repeated spam.",
        public_text="repeated spam",
    )
    with pytest.raises(ForbiddenError, match="another adjudicator"):
        do(office, deregistration.deregister, server_id)
    with pytest.raises(ConflictError, match="already"):
        do(office, deregistration.propose_deregistration, server_id, reason="Again.")
    with office.reading() as work:
        (waiting,) = deregistration.deregistration_proposals(work)
    assert waiting.server_id == server_id
    do(office, deregistration.deregister, server_id, actor=treasury.second_adjudicator(office))
    server = treasury.server_of(office, server_id)
    assert server.state is State.DEREGISTERED
    (event,) = treasury.events(office, server_id, Action.DEREGISTER)
    assert (event.reason, event.public_text) == ("Repeated spam.", "repeated spam")
    assert treasury.listing(office, server_id) is Listing.ABSENT
    # What is left of the bond is the owner's.
    assert treasury.balances(office, server_id) == {
        Purpose.BOND_HELD: 0,
        Purpose.REFUND_DUE: BOND,
    }
    with office.reading() as work:
        assert deregistration.deregistration_proposals(work) == []


def test_a_dropped_proposal_and_a_reinstatement_end_it(office: Office) -> None:
    server_id = treasury.make_active(office)
    propose = deregistration.propose_deregistration
    do(office, propose, server_id, reason="Spam.")
    do(office, deregistration.drop_deregistration, server_id, "The owner has replied.")
    second = treasury.second_adjudicator(office)
    with pytest.raises(OperationError, match="first be proposed"):
        do(office, deregistration.deregister, server_id, actor=second)
    suspend(office, server_id)
    do(office, propose, server_id, reason="Spam.")
    do(office, sanctions.mark_remedy_done, server_id, "Done.")
    with pytest.raises(OperationError, match="first be proposed"):
        do(office, deregistration.deregister, server_id, actor=second)
    with office.reading() as work:
        assert deregistration.deregistration_proposals(work) == []


def test_a_bond_that_is_not_paid_in_time_suspends_and_its_payment_reinstates(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    with office.work() as work:
        # A screener learns later that the owner is a known offender.
        server = work.session.get_one(Server, server_id)
        server.matched_offender = True
        review(work, server)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    assert bond.amount == 3 * BOND
    clock.advance(days=14)
    assert suspend_debtors(office).done == 0
    clock.advance(days=1)
    assert suspend_debtors(office).done == 1
    assert suspend_debtors(office).done == 0
    assert treasury.state_of(office, server_id) is State.SUSPENDED
    treasury.pay(office, bond)
    assert treasury.state_of(office, server_id) is State.ACTIVE


def test_the_history_is_read_page_by_page(office: Office) -> None:
    server_id = treasury.make_active(office)
    suspend(office, server_id)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        every = history(work, server)
        pages = [
            *history(work, server, limit=3),
            *history(work, server, limit=100, before=every[2].id),
        ]
        suspensions = history(work, server, actions=[Action.SUSPEND])
    assert [one.id for one in pages] == [one.id for one in every]
    assert [one.action for one in suspensions] == [Action.SUSPEND]
