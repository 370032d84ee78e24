"""Forfeitures: proposed, replied to, decided by a second person or by time; and what follows."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from countersign.registrar.operations import forfeitures, payouts
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.storage.database.jobs import Job
from countersign.storage.database.money import InvoiceKind, Purpose, Transfer, TransferKind
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.publication import MonthCount
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.at_once import at_once
from tests.registrar.operations.treasury import BOND, OLD

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def propose(office: Office, server_id: int, amount: int, **how: Any) -> int:
    actor = how.pop("actor", None) or treasury.adjudicator(office)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return forfeitures.propose(
            work,
            actor,
            server,
            **{
                "amount": amount,
                "reason": "Spam, proven by signature.",
                "offence_on": work.today,
                "evidence": {"reports": [17]},
                **how,
            },
        ).id


def confirm(office: Office, forfeiture_id: int, actor: Actor | None = None, **how: Any) -> None:
    who = actor or treasury.second_adjudicator(office)
    with office.work() as work:
        forfeiture = work.session.get_one(Forfeiture, forfeiture_id)
        forfeitures.confirm(work, who, forfeiture, "Delay would do harm.", **how)


def forfeit(office: Office, server_id: int, amount: int, **how: Any) -> int:
    forfeiture_id = propose(office, server_id, amount, **how)
    confirm(office, forfeiture_id)
    return forfeiture_id


def execute_if_due(office: Office, forfeiture_id: int) -> bool:
    with office.work() as work:
        return forfeitures.execute_if_due(work, forfeiture_id)


def reply(office: Office, forfeiture_id: int, account_id: int, text: str = "Not us.") -> None:
    with office.work() as work:
        forfeiture = work.session.get_one(Forfeiture, forfeiture_id)
        forfeitures.reply(work, Actor(Role.OWNER, account_id), forfeiture, text)


def forfeiture_of(office: Office, forfeiture_id: int) -> Forfeiture:
    with office.reading() as work:
        return work.session.get_one(Forfeiture, forfeiture_id)


def test_without_a_reply_the_bond_is_forfeited_when_the_time_is_over(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office)
    forfeiture_id = propose(office, server_id, 100_000)
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    with office.reading() as work:
        job = work.session.scalars(select(Job).where(Job.kind == "forfeiture")).one()
    assert job.run_at == clock() + datetime.timedelta(days=14)
    clock.advance(days=14, seconds=-1)
    assert not execute_if_due(office, forfeiture_id)
    clock.advance(seconds=1)
    assert execute_if_due(office, forfeiture_id)
    assert not execute_if_due(office, forfeiture_id)

    server = treasury.server_of(office, server_id)
    assert (server.offences, server.last_offence_on) == (1, clock().date())
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND - 100_000}
    assert treasury.balances(office)[Purpose.BOND_FORFEITED] == 100_000
    # The bond is asked anew, and larger; until it is paid the server may not send.
    assert (server.bond_due, server.state) == (2 * BOND, State.SUSPENDED)
    asked = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    assert asked.amount == 2 * BOND - (BOND - 100_000)
    with office.reading() as work:
        figures = {
            row.kind: row.count
            for row in work.session.scalars(select(MonthCount))
            if row.kind.startswith("forfeited")
        }
    assert figures == {"forfeited": 1, "forfeited USD": 100_000}
    treasury.pay(office, asked)
    assert treasury.state_of(office, server_id) is State.ACTIVE
    treasury.check_ledger(office)


def test_a_forfeiture_can_be_explained_from_the_event_log_alone(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office)
    owner = treasury.server_of(office, server_id).owner_id
    forfeiture_id = propose(office, server_id, BOND)
    reply(office, forfeiture_id, owner, "A stolen password.")
    confirm(office, forfeiture_id)
    log = [
        one
        for one in treasury.events(office, server_id)
        if one.details.get("forfeiture") == forfeiture_id
    ]
    assert [one.action for one in log] == [
        Happening.FORFEITURE_PROPOSED,
        Happening.FORFEITURE_REPLIED,
        Happening.FORFEITED,
    ]
    assert log[1].reason == "A stolen password."
    assert all(one.details["evidence"] == {"reports": [17]} for one in log)
    assert {one.account_id for one in log} == {
        treasury.adjudicator(office).account_id,
        owner,
        treasury.second_adjudicator(office).account_id,
    }
    with office.reading() as work:
        entry = work.session.scalars(
            select(Transfer).where(Transfer.kind == TransferKind.FORFEITURE)
        ).one()
    assert (entry.event_id, entry.amount) == (log[2].id, log[2].details["forfeited"])


def test_after_a_reply_a_second_person_must_decide(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office)
    forfeiture_id = propose(office, server_id, BOND)
    seen = forfeiture_of(office, forfeiture_id).version
    reply(office, forfeiture_id, treasury.server_of(office, server_id).owner_id)
    clock.advance(days=60)
    assert not execute_if_due(office, forfeiture_id)
    with pytest.raises(ConflictError, match="reply"):
        confirm(office, forfeiture_id, seen_version=seen)
    with pytest.raises(ForbiddenError, match="second person"):
        confirm(office, forfeiture_id, treasury.adjudicator(office))
    confirm(office, forfeiture_id, treasury.treasurer(office))
    assert forfeiture_of(office, forfeiture_id).state is ForfeitureState.EXECUTED
    with pytest.raises(ConflictError):
        confirm(office, forfeiture_id)


def test_a_dropped_forfeiture_takes_nothing(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office)
    forfeiture_id = propose(office, server_id, BOND)
    proposer = treasury.adjudicator(office)
    with office.work() as work:
        forfeiture = work.session.get_one(Forfeiture, forfeiture_id)
        forfeitures.drop(work, proposer, forfeiture, "The signature was forged.")
    clock.advance(days=15)
    assert not execute_if_due(office, forfeiture_id)
    server = treasury.server_of(office, server_id)
    assert (server.state, server.offences) == (State.ACTIVE, 0)
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    # Another may be proposed.
    propose(office, server_id, BOND)


def test_only_what_is_held_can_be_forfeited_and_one_thing_at_a_time(office: Office) -> None:
    server_id = treasury.make_active(office)
    for amount in (-1, BOND + 1):
        with pytest.raises(OperationError):
            propose(office, server_id, amount)
    with pytest.raises(OperationError, match="not registered"):
        propose(office, server_id, BOND, offence_on=datetime.date(2020, 1, 1))
    with pytest.raises(OperationError, match="reason"):
        propose(office, server_id, BOND, reason=" ")
    with pytest.raises(OperationError, match="evidence"):
        propose(office, server_id, BOND, evidence={"text": "x" * 9_000})
    propose(office, server_id, BOND)
    with pytest.raises(ConflictError):
        propose(office, server_id, BOND)


def test_an_offence_goes_on_record_where_there_is_no_bond(office: Office) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    forfeit(office, server_id, 0)
    server = treasury.server_of(office, server_id)
    assert (server.offences, server.bond_due) == (1, 2 * BOND)
    assert server.state is State.SUSPENDED
    assert Purpose.BOND_FORFEITED not in treasury.balances(office)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_decides_in_his_own_cause(office: Office) -> None:
    account = life.make_account(office, "both@registrar.com.au", Role.ADJUDICATOR)
    actor = Actor(Role.ADJUDICATOR, account)
    own = treasury.make_active(office, owner=account)
    with pytest.raises(ForbiddenError, match="party"):
        propose(office, own, BOND, actor=actor)
    forfeiture_id = propose(office, own, BOND)
    with pytest.raises(ForbiddenError, match="party"):
        confirm(office, forfeiture_id, actor)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_strangers_cannot_reply_and_nobody_twice(office: Office) -> None:
    server_id = treasury.make_active(office)
    forfeiture_id = propose(office, server_id, BOND)
    with pytest.raises(NotFoundError):
        reply(office, forfeiture_id, life.make_account(office))
    owner = treasury.server_of(office, server_id).owner_id
    with pytest.raises(OperationError, match="too long"):
        reply(office, forfeiture_id, owner, "x" * 1001)
    reply(office, forfeiture_id, owner)
    with pytest.raises(OperationError, match="already"):
        reply(office, forfeiture_id, owner)


def test_what_is_left_of_a_bond_follows_a_server_that_was_struck_off(
    office: Office, clock: Clock
) -> None:
    from tests.registrar.operations.test_sanctions import strike_off

    server_id = treasury.make_active(office)
    forfeiture_id = propose(office, server_id, 200_000)
    strike_off(office, server_id)
    # The bond waits for the decision.
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    clock.advance(days=15)
    assert execute_if_due(office, forfeiture_id)
    assert treasury.balances(office, server_id) == {
        Purpose.BOND_HELD: 0,
        Purpose.REFUND_DUE: 50_000,
    }
    with office.reading() as work:
        assert [one.amount for one in payouts.due(work)] == [50_000]
    assert treasury.state_of(office, server_id) is State.DEREGISTERED
    treasury.check_ledger(office)


def test_the_letters_of_a_forfeiture_reach_all_who_are_concerned(office: Office) -> None:
    admin = life.make_account(office)
    server_id = treasury.make_active(office, admin_contact_id=admin)
    forfeit(office, server_id, BOND)
    concerned = {treasury.server_of(office, server_id).owner_id, admin}
    for template in ("forfeiture-proposed", "forfeiture-executed"):
        assert {one["account"] for one in treasury.letters(office, template)} == concerned
    assert treasury.events(office, server_id, Action.SUSPEND)


def test_a_bond_is_forfeited_once_whoever_decides_at_once(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office)
    forfeiture_id = propose(office, server_id, BOND)
    second, treasurer = treasury.second_adjudicator(office), treasury.treasurer(office)
    clock.advance(days=15)
    results = at_once(
        lambda: confirm(office, forfeiture_id, second) or True,
        lambda: confirm(office, forfeiture_id, treasurer) or True,
        lambda: execute_if_due(office, forfeiture_id),
    )
    assert sum(one is True for one in results) == 1, results
    assert all(one in (True, False) or isinstance(one, ConflictError) for one in results)
    assert treasury.balances(office)[Purpose.BOND_FORFEITED] == BOND
    assert treasury.server_of(office, server_id).offences == 1
    treasury.check_ledger(office)


def test_an_owner_who_leaves_while_a_forfeiture_is_proposed_does_one_or_the_other(
    office: Office,
) -> None:
    server_id = treasury.make_active(office)
    actor = treasury.adjudicator(office)
    results = at_once(
        lambda: propose(office, server_id, BOND, actor=actor),
        lambda: treasury.withdraw(office, server_id),
    )
    assert sum(isinstance(one, OperationError) for one in results) == 1, results
    held = treasury.balances(office, server_id)[Purpose.BOND_HELD]
    left = treasury.state_of(office, server_id) is State.WITHDRAWN
    assert held == (0 if left else BOND)
    treasury.check_ledger(office)
