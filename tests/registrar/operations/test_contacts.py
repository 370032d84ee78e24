"""Addresses of an application: confirmed by whoever reads what is mailed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from countersign.registrar.operations import contacts
from countersign.registrar.operations.applications import save_step
from countersign.registrar.operations.dossier import unconfirmed_contacts
from countersign.registrar.operations.office import NotFoundError, Office, OperationError
from countersign.registrar.particulars.steps import Step
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, OneTimeToken
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import ContactConfirmation, Server, ServerEvent
from tests.registrar.operations import life
from tests.registrar.particulars import examples

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def unconfirmed(office: Office, server_id: int) -> list[str]:
    with office.reading() as work:
        return unconfirmed_contacts(work, work.session.get_one(Server, server_id))


def name_admin(office: Office, server_id: int, email: str) -> None:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        form = {**examples.ADMIN_CONTACT, "email": email}
        applicant = life.applicant_of(server)
        assert save_step(work, applicant, server, Step.ADMIN_CONTACT, form, is_form=True).ok


def ask_again(office: Office, server_id: int, contact: str) -> None:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        contacts.ask_again(work, life.applicant_of(server), server, contact)


def admin_account_of(office: Office, server_id: int) -> int | None:
    with office.reading() as work:
        return work.session.get_one(Server, server_id).admin_contact_id


def test_an_owner_whose_account_is_confirmed_need_not_confirm_that_address_again(
    office: Office,
) -> None:
    server_id = life.make_draft(office)
    assert unconfirmed(office, server_id) == ["admin"]


def test_another_address_than_the_accounts_is_confirmed_too(office: Office) -> None:
    owner = life.make_account(office, "private@muller.com.au")
    server_id = life.make_draft(office, owner=owner)
    assert unconfirmed(office, server_id) == ["owner", "admin"]
    assert len(life.mailed_tokens(office, server_id)) == 2
    life.confirm_contacts(office, server_id)
    assert unconfirmed(office, server_id) == []


def test_one_letter_does_for_an_address_that_is_given_twice(office: Office) -> None:
    owner = life.make_account(office, "private@muller.com.au")
    server_id = life.make_draft(office, owner=owner, complete=False)
    life.fill_in(
        office,
        server_id,
        steps={Step.ADMIN_CONTACT: {**examples.ADMIN_CONTACT, "email": life.OWNER_EMAIL}},
    )
    assert len(life.mailed_tokens(office, server_id)) == 1
    life.confirm_contacts(office, server_id)


def test_an_order_for_a_letter_holds_neither_address_nor_token(office: Office) -> None:
    server_id = life.make_draft(office)
    (token,) = life.mailed_tokens(office, server_id)
    with office.reading() as work:
        stored = [str(job.payload) for job in work.session.scalars(select(Job))]
        stored += work.session.scalars(select(OneTimeToken.digest)).all()
        stored += work.session.scalars(select(ContactConfirmation.address_digest)).all()
    assert not any("@" in text or token in text for text in stored)


def test_a_letter_goes_to_the_address_in_the_application(office: Office) -> None:
    server_id = life.make_draft(office)
    with office.reading() as work:
        key = work.session.scalars(select(ContactConfirmation.id)).one()
        assert contacts.recipient(work, key) == "jan@muller.com.au"
    name_admin(office, server_id, "eva@muller.com.au")
    with office.reading() as work:
        assert contacts.recipient(work, key) is None


def test_looking_at_a_link_confirms_nothing_and_says_what_it_is_for(office: Office) -> None:
    server_id = life.make_draft(office, hostname="mail.muller.com.au")
    (token,) = life.mailed_tokens(office, server_id)
    with office.reading() as work:
        request = contacts.look_at(work, token)
    assert (request.hostname, request.contact) == ("mail.muller.com.au", "admin")
    assert (request.agent, unconfirmed(office, server_id)) == ("", ["admin"])


def test_a_link_counts_once_and_only_for_some_days(office: Office, clock: Clock) -> None:
    server_id = life.make_draft(office)
    (token,) = life.mailed_tokens(office, server_id)
    with office.work() as work:
        contacts.confirm(work, token)
    with pytest.raises(NotFoundError), office.work() as work:
        contacts.confirm(work, token)
    name_admin(office, server_id, "eva@muller.com.au")
    late = life.mailed_tokens(office, server_id)[-1]
    clock.advance(days=contacts.VALID_DAYS, seconds=1)
    with pytest.raises(NotFoundError), office.work() as work:
        contacts.confirm(work, late)
    assert unconfirmed(office, server_id) == ["admin"]


def test_made_up_tokens_confirm_nothing(office: Office) -> None:
    life.make_draft(office)
    for token in ("", "x" * 43, "é" * 5000):
        with pytest.raises(NotFoundError), office.work() as work:
            contacts.confirm(work, token)


def test_a_changed_address_is_confirmed_anew(office: Office) -> None:
    server_id = life.make_draft(office)
    life.confirm_contacts(office, server_id)
    name_admin(office, server_id, "eva@muller.com.au")
    assert unconfirmed(office, server_id) == ["admin"]
    name_admin(office, server_id, "JAN@muller.com.au")
    assert unconfirmed(office, server_id) == []


def test_confirming_is_on_record_without_the_address(office: Office) -> None:
    server_id = life.make_draft(office)
    life.confirm_contacts(office, server_id)
    with office.reading() as work:
        event = work.session.scalars(
            select(ServerEvent).where(ServerEvent.action == "contact-confirmed")
        ).one()
    assert (event.role, event.details) == (Role.ADMIN_CONTACT, {"contact": "admin"})


def test_a_letter_can_be_sent_again_after_a_pause(office: Office, clock: Clock) -> None:
    server_id = life.make_draft(office)
    with pytest.raises(OperationError, match="just been sent"):
        ask_again(office, server_id, "admin")
    clock.advance(minutes=contacts.PAUSE_MINUTES)
    ask_again(office, server_id, "admin")
    first, second = life.mailed_tokens(office, server_id)
    assert first != second
    with pytest.raises(OperationError, match="confirmed already"):
        ask_again(office, server_id, "owner")


def test_nobody_floods_others_with_letters(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "LETTERS_OF_ACCOUNT", 3)
    server_id = life.make_draft(office)
    for _ in range(2):
        clock.advance(minutes=5)
        ask_again(office, server_id, "admin")
    clock.advance(minutes=5)
    with pytest.raises(OperationError, match="24 hours"):
        ask_again(office, server_id, "admin")
    # Saving a step still works; the letter is asked for later.
    name_admin(office, server_id, "eva@muller.com.au")
    assert len(life.mailed_tokens(office, server_id)) == 3
    clock.advance(hours=24)
    ask_again(office, server_id, "admin")
    assert len(life.mailed_tokens(office, server_id)) == 4


def test_many_applications_cannot_flood_one_address(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "LETTERS_TO_ADDRESS", 2)
    servers = [life.make_draft(office) for _ in range(3)]
    assert [len(life.mailed_tokens(office, one)) for one in servers] == [1, 1, 0]


def test_an_admin_contact_with_an_account_sees_the_server_once_he_confirmed(
    office: Office,
) -> None:
    jan = life.make_account(office, "jan@muller.com.au")
    server_id = life.make_draft(office)
    assert admin_account_of(office, server_id) is None
    life.confirm_contacts(office, server_id)
    assert admin_account_of(office, server_id) == jan
    name_admin(office, server_id, "eva@muller.com.au")
    assert admin_account_of(office, server_id) is None


def test_an_admin_contact_who_opens_an_account_later_sees_the_server_then(
    office: Office,
) -> None:
    server_id = life.make_draft(office)
    life.confirm_contacts(office, server_id)
    jan = life.make_account(office, "jan@muller.com.au", confirmed=False)
    with office.work() as work:
        account = work.session.get_one(Account, jan)
        contacts.link_new_account(work, account)
        assert work.session.get_one(Server, server_id).admin_contact_id is None
        account.email_confirmed_at = work.now
        contacts.link_new_account(work, account)
    assert admin_account_of(office, server_id) == jan


def test_confirming_a_contact_gives_nobody_an_account(office: Office) -> None:
    """An account opened in somebody's name must not become good by another letter."""
    victim = life.make_account(office, life.OWNER_EMAIL, confirmed=False)
    helper = life.make_account(office, "agent@helpers.com.au", Role.AGENT)
    server_id = life.make_draft(office, owner=victim, agent=helper)
    life.confirm_contacts(office, server_id)
    with office.reading() as work:
        assert work.session.get_one(Account, victim).email_confirmed_at is None


def test_the_owner_is_told_which_agent_applies(office: Office) -> None:
    helper = life.make_account(office, "agent@helpers.com.au", Role.AGENT, name="Helpers Ltd")
    zoe = life.make_account(office, life.OWNER_EMAIL)
    server_id = life.make_draft(office, owner=zoe, agent=helper, complete=False)
    (token,) = life.mailed_tokens(office, server_id)
    with office.reading() as work:
        request = contacts.look_at(work, token)
    assert (request.contact, request.agent) == ("account", "Helpers Ltd")
