"""Sponsors: who may vouch, what it changes, when it ends, what it costs."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import sponsor_views, sponsorships
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.invoices import issue
from countersign.registrar.operations.offers import review, try_activate
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.registrar.operations.shares import waive_share
from countersign.registrar.operations.trust import may_vouch
from countersign.registrar.operations.undertakings import end_undertakings
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import Invoice, InvoiceKind, InvoiceState, Purpose
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.at_once import at_once
from tests.registrar.operations.test_money_forfeitures import (
    confirm,
    execute_if_due,
    propose,
    reply,
)
from tests.registrar.operations.test_sanctions import strike_off
from tests.registrar.operations.treasury import BOND, OLD

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

SHARE = 83_334


def decline(office: Office, sponsorship_id: int, actor: Actor | None = None) -> None:
    with office.work() as work:
        sponsorship = work.session.get_one(Sponsorship, sponsorship_id)
        sponsor = work.session.get_one(Server, sponsorship.sponsor_id)
        sponsorships.decline(work, actor or treasury.owner_of(work, sponsor), sponsorship)


def give_notice(office: Office, sponsorship_id: int) -> None:
    with office.work() as work:
        sponsorship = work.session.get_one(Sponsorship, sponsorship_id)
        sponsor = work.session.get_one(Server, sponsorship.sponsor_id)
        sponsorships.give_notice(work, treasury.owner_of(work, sponsor), sponsorship)


def sponsorship_of(office: Office, server_id: int, sponsor_id: int) -> Sponsorship:
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        (found,) = (
            one.sponsorship
            for one in sponsor_views.sponsors_of(work, server)
            if one.sponsor.id == sponsor_id
        )
        return found


def states(office: Office, server_id: int) -> set[SponsorshipState]:
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        return {one.sponsorship.state for one in sponsor_views.sponsors_of(work, server)}


def do_reviews(office: Office) -> None:
    for job in treasury.jobs(office, "review"):
        with office.work() as work:
            try_activate(work, work.session.get_one(Server, job["server"]))


def test_three_trusted_sponsors_stand_in_for_the_bond(office: Office) -> None:
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    treasury.pay(office, treasury.open_invoice(office, server_id, InvoiceKind.FEE))
    trusted = [treasury.make_trusted(office) for _ in range(3)]
    for number, one in enumerate(trusted, 1):
        assert treasury.open_invoice(office, server_id, InvoiceKind.BOND).amount == BOND
        treasury.vouch(office, server_id, one)
        active = number == 3
        assert (treasury.state_of(office, server_id) is State.ACTIVE) == active
    assert treasury.server_of(office, server_id).bond_due == 0
    (bond,) = treasury.invoices(office, server_id, InvoiceKind.BOND)
    assert bond.state is InvoiceState.CANCELLED
    assert Purpose.BOND_HELD not in treasury.balances(office, server_id)


def test_a_question_says_what_is_risked_and_the_answer_keeps_what_was_read(
    office: Office,
) -> None:
    server_id, sponsor_id = treasury.make_offered(office), treasury.make_trusted(office)
    sponsorship_id = treasury.ask(office, server_id, sponsor_id)
    sponsor_owner = treasury.server_of(office, sponsor_id).owner_id
    (letter,) = treasury.letters(office, "sponsor-asked")
    assert (letter["account"], letter["sponsorship"]) == (sponsor_owner, sponsorship_id)
    with office.reading() as work:
        (request,) = sponsor_views.requests_to(work, sponsor_owner)
        text = sponsorships.undertaking(work, request.sponsorship)
    assert request.sponsorship.share == SHARE
    assert "USD 833.34" in text.markdown.replace("\\", "").replace("\u00a0", " ")
    actor = Actor(Role.OWNER, sponsor_owner)
    with office.work() as work:
        found = work.session.get_one(Sponsorship, sponsorship_id)
        with pytest.raises(ConflictError, match="read it again"):
            sponsorships.accept(work, actor, found, text.text.version, "0" * 64)
    treasury.accept(office, sponsorship_id)
    kept = sponsorship_of(office, server_id, sponsor_id)
    assert (kept.undertaking_version, kept.undertaking_hash) == (text.text.version, text.sha256)
    with office.reading() as work:
        exposure = sponsor_views.exposure(work, work.session.get_one(Server, sponsor_id))
        assert (exposure.servers, exposure.at_risk) == (1, SHARE)
        assert len(sponsor_views.undertakings_of(work, sponsor_owner)) == 1
    assert treasury.events(office, sponsor_id, Happening.VOUCHED)
    with pytest.raises(ConflictError, match="decided already"):
        decline(office, sponsorship_id)


def test_not_everybody_can_vouch(office: Office) -> None:
    server_id = treasury.make_offered(office)
    owner = treasury.server_of(office, server_id).owner_id
    young = treasury.make_active(office, registered_on=OLD)
    own = treasury.make_trusted(office, owner=owner)
    offered = treasury.make_offered(office)
    offender = treasury.make_trusted(office)
    with office.work() as work:
        work.session.get_one(Server, offender).last_offence_on = work.today
    for sponsor, why in (
        (young, "not trusted"),
        (offender, "not trusted"),
        (own, "same owner"),
        (offered, "no active registered server"),
        (server_id, "no active registered server"),
    ):
        with pytest.raises(OperationError, match=why):
            treasury.ask(office, server_id, sponsor)
    trusted = treasury.make_trusted(office)
    treasury.ask(office, server_id, trusted)
    with pytest.raises(OperationError, match="asked already"):
        treasury.ask(office, server_id, trusted)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        for name in ("", "nowhere..example", "no.such.example"):
            with pytest.raises(OperationError):
                sponsorships.ask(work, treasury.owner_of(work, server), server, name)
        for role in (Role.ADMIN_CONTACT, Role.ADJUDICATOR, Role.TREASURER):
            with pytest.raises(ForbiddenError):
                sponsorships.ask(work, Actor(role, owner), server, "x.example")


def test_nobody_is_asked_in_vain(office: Office) -> None:
    trusted = treasury.make_trusted(office)
    old = treasury.make_offered(office, registered_on=OLD)
    history = treasury.make_offered(office, offences=1)
    bonded = treasury.make_active(office)
    for server_id in (old, history, bonded):
        with pytest.raises(OperationError):
            treasury.ask(office, server_id, trusted)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_applicant_can_ask_only_so_many(office: Office) -> None:
    server_id = treasury.make_offered(office)
    for _ in range(12):
        treasury.ask(office, server_id, treasury.make_trusted(office))
    with pytest.raises(OperationError, match="No more than 12"):
        treasury.ask(office, server_id, treasury.make_trusted(office))


def test_only_the_sponsors_owner_answers(office: Office) -> None:
    server_id, sponsor_id = treasury.make_offered(office), treasury.make_trusted(office)
    sponsorship_id = treasury.ask(office, server_id, sponsor_id)
    applicant = Actor(Role.OWNER, treasury.server_of(office, server_id).owner_id)
    with pytest.raises(NotFoundError):
        decline(office, sponsorship_id, applicant)
    with office.reading() as work:
        with pytest.raises(NotFoundError):
            sponsorships.for_sponsor(work, applicant, sponsorship_id)
        with pytest.raises(NotFoundError):
            sponsorships.for_sponsor(work, applicant, 4_711)
    decline(office, sponsorship_id)
    assert treasury.letters(office, "sponsor-decided")[0]["account"] == applicant.account_id
    assert sponsorship_of(office, server_id, sponsor_id).state is SponsorshipState.DECLINED


def test_a_server_vouches_for_no_more_than_the_limit_even_at_once(office: Office) -> None:
    money = office.config.money.model_copy(update={"sponsorships": 1})
    tight = Office(
        office.config.model_copy(update={"money": money}),
        office.database,
        office.keyring,
        office.clock,
    )
    sponsor = treasury.make_trusted(tight)
    questions = [treasury.ask(tight, treasury.make_offered(tight), sponsor) for _ in range(3)]

    results = at_once(*[lambda one=one: treasury.accept(tight, one) for one in questions])
    assert sum(one is None for one in results) == 1
    assert all(isinstance(one, OperationError) for one in results if one is not None), results


def test_a_request_can_be_taken_back_and_an_undertaking_before_it_counts(office: Office) -> None:
    server_id = treasury.make_offered(office)
    first, second = treasury.make_trusted(office), treasury.make_trusted(office)
    asked = treasury.ask(office, server_id, first)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        sponsorships.withdraw_request(
            work, treasury.owner_of(work, server), work.session.get_one(Sponsorship, asked)
        )
    with pytest.raises(ConflictError):
        treasury.accept(office, asked)
    vouched = treasury.vouch(office, server_id, second)
    give_notice(office, vouched)
    assert states(office, server_id) == {SponsorshipState.ENDED}


def test_where_the_bond_is_paid_the_sponsors_are_free(office: Office) -> None:
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    sponsor = treasury.make_trusted(office)
    treasury.vouch(office, server_id, sponsor)
    waiting = treasury.make_trusted(office)
    treasury.ask(office, server_id, waiting)
    treasury.pay_all(office, server_id)
    assert treasury.state_of(office, server_id) is State.ACTIVE
    assert states(office, server_id) == {SponsorshipState.ENDED}
    assert treasury.events(office, sponsor, Happening.SPONSOR_ENDED)


def test_undertakings_end_when_the_domain_has_come_of_age(office: Office, clock: Clock) -> None:
    server_id, _ = treasury.make_sponsored(office)
    assert end_undertakings(office).done == 0
    clock.now = datetime.datetime(2027, 1, 10, tzinfo=datetime.UTC)
    assert end_undertakings(office).done == 1
    assert end_undertakings(office).done == 0
    assert states(office, server_id) == {SponsorshipState.ENDED}
    assert treasury.server_of(office, server_id).bond_due == 0


def test_a_sponsor_that_gives_notice_is_replaced_by_another(office: Office, clock: Clock) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    leaving = sponsorship_of(office, server_id, trusted[0]).id
    give_notice(office, leaving)
    # The owner is asked for the bond, or finds another sponsor.
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    assert (bond.amount, bond.due_on) == (BOND, clock().date() + datetime.timedelta(days=14))
    assert treasury.state_of(office, server_id) is State.ACTIVE
    assert sponsorship_of(office, server_id, trusted[0]).state is SponsorshipState.ACCEPTED
    treasury.vouch(office, server_id, treasury.make_trusted(office))
    assert sponsorship_of(office, server_id, trusted[0]).state is SponsorshipState.ENDED
    assert treasury.server_of(office, server_id).bond_due == 0
    assert treasury.invoices(office, server_id, InvoiceKind.BOND, InvoiceState.OPEN) == []


def test_a_notice_is_over_after_thirty_days_whatever_the_owner_does(
    office: Office, clock: Clock
) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    give_notice(office, sponsorship_of(office, server_id, trusted[0]).id)
    clock.advance(days=29)
    assert end_undertakings(office).done == 0
    clock.advance(days=1)
    assert end_undertakings(office).done == 1
    assert sponsorship_of(office, server_id, trusted[0]).state is SponsorshipState.ENDED
    assert suspend_debtors(office).done == 1
    assert treasury.state_of(office, server_id) is State.SUSPENDED


def test_a_sponsor_that_is_struck_off_counts_no_more(office: Office) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    strike_off(office, trusted[1])
    do_reviews(office)
    assert treasury.server_of(office, server_id).bond_due == BOND
    assert treasury.open_invoice(office, server_id, InvoiceKind.BOND).amount == BOND


def test_sponsors_owe_their_share_when_the_server_spammed(office: Office, clock: Clock) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    clock.advance(days=40)
    forfeiture_id = propose(office, server_id, 0)
    for one in trusted:
        assert treasury.events(office, one, Happening.SHARE_AT_RISK)
    # No share is claimed before the time to reply has passed.
    with pytest.raises(OperationError, match="sponsors may reply"):
        confirm(office, forfeiture_id)
    clock.advance(days=14)
    assert execute_if_due(office, forfeiture_id)
    assert states(office, server_id) == {SponsorshipState.CALLED}
    for one in trusted:
        sponsor = treasury.server_of(office, one)
        assert (sponsor.last_offence_on, sponsor.offences) == (clock().date(), 0)
        assert sponsor.state is State.ACTIVE
        share = treasury.open_invoice(office, one, InvoiceKind.SPONSOR_SHARE)
        assert share.amount == SHARE
        assert share.due_on == clock().date() + datetime.timedelta(days=30)
        (event,) = treasury.events(office, one, Happening.SHARE_CLAIMED)
        assert event.details["invoice"] == share.id
        with office.reading() as work:
            assert not may_vouch(work, work.session.get_one(Server, one))
        treasury.pay(office, share)
    assert treasury.balances(office)[Purpose.BOND_FORFEITED] == 3 * SHARE
    server = treasury.server_of(office, server_id)
    assert (server.state, server.bond_due, server.offences) == (State.SUSPENDED, 2 * BOND, 1)
    clock.advance(days=366)
    with office.reading() as work:
        assert may_vouch(work, work.session.get_one(Server, trusted[0]))
    treasury.check_ledger(office)


def called(office: Office, clock: Clock) -> list[int]:
    server_id, trusted = treasury.make_sponsored(office)
    forfeiture_id = propose(office, server_id, 0)
    clock.advance(days=14)
    assert execute_if_due(office, forfeiture_id)
    return trusted


def test_a_sponsors_reply_makes_a_person_decide(office: Office, clock: Clock) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    forfeiture_id = propose(office, server_id, 0)
    reply(office, forfeiture_id, treasury.server_of(office, trusted[2]).owner_id, "It was hacked.")
    clock.advance(days=14)
    assert not execute_if_due(office, forfeiture_id)
    confirm(office, forfeiture_id)
    assert treasury.invoices(office, trusted[0], InvoiceKind.SPONSOR_SHARE)


def test_a_share_that_is_not_paid_suspends_the_sponsor_until_it_is(
    office: Office, clock: Clock
) -> None:
    trusted = called(office, clock)
    clock.advance(days=31)
    assert suspend_debtors(office).done == 3
    assert treasury.state_of(office, trusted[0]) is State.SUSPENDED
    share = treasury.open_invoice(office, trusted[0], InvoiceKind.SPONSOR_SHARE)
    treasury.pay(office, share, SHARE - 1)
    assert treasury.state_of(office, trusted[0]) is State.SUSPENDED
    treasury.pay(office, share, 1)
    assert treasury.state_of(office, trusted[0]) is State.ACTIVE


def test_a_sponsor_cannot_leave_its_debt_behind(office: Office, clock: Clock) -> None:
    trusted = called(office, clock)
    with pytest.raises(OperationError, match="share is still to be paid"):
        treasury.withdraw(office, trusted[0])
    # Struck off, it pays from what is left of its bond; the rest stays owed.
    with office.work() as work:
        sponsor = work.session.get_one(Server, trusted[1])
        sponsor.bond_due = 50_000
        review(work, sponsor)
        issue(work, sponsor, InvoiceKind.BOND, 50_000, work.today)
    treasury.pay(office, treasury.open_invoice(office, trusted[1], InvoiceKind.BOND))
    strike_off(office, trusted[1])
    share = treasury.open_invoice(office, trusted[1], InvoiceKind.SPONSOR_SHARE)
    assert treasury.balances(office, trusted[1])[Purpose.BOND_HELD] == 0
    treasury.pay(office, share, SHARE - 50_000)
    assert treasury.invoices(office, trusted[1], InvoiceKind.SPONSOR_SHARE)[0].state is (
        InvoiceState.PAID
    )
    treasury.check_ledger(office)


def test_a_share_that_is_waived_is_given_back(office: Office, clock: Clock) -> None:
    trusted = called(office, clock)
    share = treasury.open_invoice(office, trusted[0], InvoiceKind.SPONSOR_SHARE)
    treasury.pay(office, share, 50_000)
    actor = treasury.adjudicator(office)
    with office.work() as work:
        waive_share(work, actor, work.session.get_one(Invoice, share.id), "On appeal.")
    assert treasury.balances(office, trusted[0])[Purpose.REFUND_DUE] == 50_000
    assert treasury.invoices(office, trusted[0], InvoiceKind.SPONSOR_SHARE)[0].state is (
        InvoiceState.CANCELLED
    )
    treasury.withdraw(office, trusted[0])
    treasury.check_ledger(office)


def test_who_vouched_when_the_spam_was_sent_answers_even_if_it_has_left(
    office: Office, clock: Clock
) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    offence = clock().date() + datetime.timedelta(days=10)
    give_notice(office, sponsorship_of(office, server_id, trusted[0]).id)
    clock.advance(days=12)
    late = treasury.make_trusted(office)
    treasury.vouch(office, server_id, late)
    assert sponsorship_of(office, server_id, trusted[0]).state is SponsorshipState.ENDED
    clock.advance(days=30)
    forfeiture_id = propose(office, server_id, 0, offence_on=offence)
    clock.advance(days=14)
    assert execute_if_due(office, forfeiture_id)
    assert treasury.invoices(office, trusted[0], InvoiceKind.SPONSOR_SHARE)
    # Who came after it does not.
    assert treasury.invoices(office, late, InvoiceKind.SPONSOR_SHARE) == []


def test_after_ninety_days_a_sponsor_that_left_is_told_of_nothing(
    office: Office, clock: Clock
) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    offence = clock().date()
    give_notice(office, sponsorship_of(office, server_id, trusted[0]).id)
    treasury.vouch(office, server_id, treasury.make_trusted(office))
    clock.advance(days=91)
    forfeiture_id = propose(office, server_id, 0, offence_on=offence)
    clock.advance(days=14)
    assert execute_if_due(office, forfeiture_id)
    assert treasury.invoices(office, trusted[0], InvoiceKind.SPONSOR_SHARE) == []
    assert treasury.invoices(office, trusted[1], InvoiceKind.SPONSOR_SHARE)


def test_a_bond_that_is_forfeited_counts_towards_the_shares(office: Office, clock: Clock) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    offence = clock().date()
    for one in trusted:
        give_notice(office, sponsorship_of(office, server_id, one).id)
    treasury.pay(office, treasury.open_invoice(office, server_id, InvoiceKind.BOND))
    assert states(office, server_id) == {SponsorshipState.ENDED}
    forfeiture_id = propose(office, server_id, 100_000, offence_on=offence)
    clock.advance(days=14)
    assert execute_if_due(office, forfeiture_id)
    # 1,500 of the bond that sponsors replaced are missing: a third of it each.
    assert {
        treasury.open_invoice(office, one, InvoiceKind.SPONSOR_SHARE).amount for one in trusted
    } == {50_000}


def test_the_sponsor_of_a_sponsor_that_lost_its_standing_is_missed(
    office: Office, clock: Clock
) -> None:
    first = treasury.make_trusted(office)
    others = [treasury.make_trusted(office) for _ in range(4)]
    spammer, sponsored = treasury.make_offered(office), treasury.make_offered(office)
    for server_id, sponsors in ((spammer, others[:2]), (sponsored, others[2:])):
        for one in (first, *sponsors):
            treasury.vouch(office, server_id, one)
        treasury.accept_contract(office, server_id)
        treasury.pay_all(office, server_id)
    forfeiture_id = propose(office, spammer, 0)
    clock.advance(days=14)
    assert execute_if_due(office, forfeiture_id)
    do_reviews(office)
    assert treasury.open_invoice(office, sponsored, InvoiceKind.BOND).amount == BOND
    assert treasury.state_of(office, sponsored) is State.ACTIVE


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_application_of_a_real_owner_shows_his_name_to_the_sponsor(office: Office) -> None:
    server_id = life.make_submitted(office)
    sponsor = treasury.make_trusted(office)
    sponsorship_id = treasury.ask(office, server_id, sponsor)
    with office.reading() as work:
        text = sponsorships.undertaking(work, work.session.get_one(Sponsorship, sponsorship_id))
    assert "Müller" in text.markdown or "Muller" in text.markdown
