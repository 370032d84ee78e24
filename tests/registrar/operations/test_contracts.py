"""Contracts: read, accepted by the owner alone, kept with their hash, asked for anew."""

from __future__ import annotations

import datetime
import hashlib
import io
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from countersign.registrar.documents.text import Kind
from countersign.registrar.operations import agreements, contract_versions, contracts, needs
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.offers import make_offer
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.treasury import OLD

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def shown(office: Office, server_id: int) -> dict[str, str]:
    """Return what a page hands back of the contract that it showed."""
    with office.reading() as work:
        filled = contracts.contract(work, work.session.get_one(Server, server_id))
    return {"version": filled.text.version, "seen": filled.sha256}


def accept(office: Office, server_id: int, actor: Actor | None = None, **how: Any) -> int:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        who = actor or Actor(Role.OWNER, server.owner_id)
        return contracts.accept(work, who, server, **how).id


def test_a_contract_is_accepted_printed_and_kept_with_its_hash(office: Office) -> None:
    server_id = life.make_tested(office)
    with office.work() as work:
        make_offer(work, work.session.get_one(Server, server_id))
    seen = shown(office, server_id)
    acceptance_id = accept(office, server_id, **seen, address="192.0.2.7")
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        (acceptance,) = contracts.acceptances(work, server)
        paper = contracts.accepted_document(work, server, acceptance_id)
        assert needs.has_accepted_contract(work, server)
        assert not contracts.needs_acceptance(work, server)
    assert acceptance.pdf_hash == hashlib.sha256(paper.pdf).hexdigest()
    assert acceptance.text_hash == seen["seen"]
    assert len(pikepdf.open(io.BytesIO(paper.pdf)).pages) > 3
    (event,) = treasury.events(office, server_id, Happening.CONTRACT_ACCEPTED)
    assert event.details["pdf_sha256"] == acceptance.pdf_hash
    assert event.account_id == server.owner_id


def test_it_is_printed_before_the_transaction_that_stores_it(office: Office) -> None:
    server_id = treasury.make_offered(office)
    seen = shown(office, server_id)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        owner = Actor(Role.OWNER, server.owner_id)
        printed = contracts.print_acceptance(work, owner, server, **seen)
    accept(office, server_id, **seen, printed=printed)
    other = treasury.make_offered(office)
    with pytest.raises(ValueError, match="another"):
        accept(office, other, **shown(office, other), printed=printed)


def test_nobody_but_the_owner_accepts(office: Office) -> None:
    agent = life.make_account(office, "agent@helpers.com.au", Role.AGENT)
    server_id = treasury.make_offered(office, agent_id=agent)
    seen = shown(office, server_id)
    for actor in (
        Actor(Role.AGENT, agent),
        Actor(Role.OWNER, agent),
        Actor(Role.SCREENER, agent),
        Actor(Role.OWNER, None),
    ):
        with pytest.raises(ForbiddenError):
            accept(office, server_id, actor, **seen)
    assert treasury.events(office, server_id, Happening.CONTRACT_ACCEPTED) == []


def test_what_was_read_is_what_is_accepted(office: Office, clock: Clock) -> None:
    server_id = treasury.make_offered(office, registered_on=datetime.date(2025, 3, 20))
    seen = shown(office, server_id)
    with pytest.raises(ConflictError, match="read it again"):
        accept(office, server_id, version=seen["version"], seen="0" * 64)
    with pytest.raises(ConflictError, match="read it again"):
        accept(office, server_id, version="1999-1", seen=seen["seen"])
    # Its date is part of it, as is the bond.
    clock.advance(days=1)
    with pytest.raises(ConflictError, match="read it again"):
        accept(office, server_id, **seen)


def test_there_is_nothing_to_accept_before_the_offer_or_twice(office: Office) -> None:
    early = treasury.make_tested(office)
    with pytest.raises(OperationError, match="no contract to accept"):
        accept(office, early, **shown(office, early))
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    with pytest.raises(OperationError, match="no contract to accept"):
        accept(office, server_id, **shown(office, server_id))


def test_the_contract_says_what_bond_and_sponsors_there_are(office: Office) -> None:
    with_bond = treasury.make_offered(office)
    sponsored = treasury.make_offered(office)
    sponsors = [treasury.make_trusted(office) for _ in range(3)]
    for one in sponsors:
        treasury.vouch(office, sponsored, one)
    with office.reading() as work:
        one, other = (
            contracts.contract(work, work.session.get_one(Server, each)).markdown.replace("\\", "")
            for each in (with_bond, sponsored)
        )
    assert "The bond for the server is USD 2,500.00" in one.replace("\u00a0", " ")
    assert "no bond is due" in other
    for sponsor in sponsors:
        assert treasury.server_of(office, sponsor).hostname in other


def test_a_stored_contract_cannot_be_changed_and_damage_is_seen(office: Office) -> None:
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    with pytest.raises(DatabaseError, match="append-only"), office.work() as work:
        work.session.execute(text("UPDATE contract_acceptance SET version = 'x'"))
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        (acceptance,) = contracts.acceptances(work, server)
        acceptance.pdf_hash = "0" * 64
        with work.session.no_autoflush, pytest.raises(OperationError, match="damaged"):
            contracts.accepted_document(work, server, acceptance.id)
        work.session.expunge_all()


def test_contracts_of_other_servers_are_not_handed_out(office: Office) -> None:
    server_id, other_id = treasury.make_offered(office), treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    with office.reading() as work:
        (acceptance,) = contracts.acceptances(work, work.session.get_one(Server, server_id))
        with pytest.raises(NotFoundError):
            contracts.accepted_document(work, work.session.get_one(Server, other_id), acceptance.id)


@pytest.mark.parametrize("kind", [Kind.USER_AGREEMENT, Kind.PRIVILEGED_USER_AGREEMENT])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_model_agreements_come_filled_in(office: Office, kind: Kind) -> None:
    server_id = life.make_submitted(office)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        paper = agreements.model_agreement(work, server, kind)
        with pytest.raises(NotFoundError):
            agreements.model_agreement(work, server, Kind.REGISTRATION_CONTRACT)
    assert paper.filename == f"{kind}-{server.hostname}-2026-1.pdf"
    assert pikepdf.open(io.BytesIO(paper.pdf)).pages


def test_a_new_version_is_asked_for_once_of_every_registered_server(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = [treasury.make_active(office, registered_on=OLD) for _ in range(3)]
    treasury.make_offered(office)
    treasury.make_tested(office)
    assert contract_versions.ask_for_new_acceptance(office) == 0
    for module in (contract_versions, contracts, needs):
        name = "current_version" if module is needs else "current"
        monkeypatch.setattr(module, name, lambda _kind: "2027-1")
    monkeypatch.setattr(contract_versions, "_AT_ONCE", 2)
    assert contract_versions.ask_for_new_acceptance(office) == 3
    assert contract_versions.ask_for_new_acceptance(office) == 0
    asked = [one["server"] for one in treasury.letters(office, "agreement-new-version")]
    assert sorted(asked) == active
    with office.reading() as work:
        for server_id in active:
            server = work.session.get_one(Server, server_id)
            # It goes on meanwhile, but cannot be renewed or reinstated without.
            assert server.state is State.ACTIVE
            assert contracts.needs_acceptance(work, server)
