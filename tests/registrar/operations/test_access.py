"""Who finds a server, and in which role."""

from __future__ import annotations

import pytest

from countersign.registrar.operations.access import roles_towards, server_for
from countersign.registrar.operations.office import ForbiddenError, NotFoundError, Office
from countersign.rules.access import Permission
from countersign.rules.roles import Role
from countersign.storage.database.servers import Server
from tests.registrar.operations import life

OWNER = frozenset({Role.OWNER})


def test_an_owner_finds_the_own_server_and_acts_as_owner(office: Office) -> None:
    owner = life.make_account(office)
    server_id = life.make_draft(office, owner=owner, complete=False)
    with office.reading() as work:
        server, actor = server_for(work, owner, OWNER, server_id, Permission.EDIT_APPLICATION)
    assert (server.id, actor.role, actor.account_id) == (server_id, Role.OWNER, owner)


def test_to_a_stranger_a_server_looks_like_none(office: Office) -> None:
    server_id = life.make_draft(office, complete=False)
    stranger = life.make_account(office)
    with office.reading() as work:
        texts = set()
        for key in (server_id, 999_999):
            with pytest.raises(NotFoundError) as refusal:
                server_for(work, stranger, OWNER, key, Permission.SEE_SERVER)
            texts.add(str(refusal.value))
    assert len(texts) == 1


def test_an_agent_finds_own_applicants_only_and_only_while_accredited(office: Office) -> None:
    agent = life.make_account(office, "agent@helpers.com.au", Role.AGENT)
    other = life.make_account(office, "other@helpers.com.au", Role.AGENT)
    zoe = life.make_account(office, life.OWNER_EMAIL)
    server_id = life.make_draft(office, owner=zoe, agent=agent, complete=False)
    accredited = OWNER | {Role.AGENT}
    with office.reading() as work:
        _, actor = server_for(work, agent, accredited, server_id, Permission.EDIT_APPLICATION)
        assert actor.role is Role.AGENT
        with pytest.raises(NotFoundError):
            server_for(work, other, accredited, server_id, Permission.SEE_SERVER)
        with pytest.raises(NotFoundError):
            server_for(work, agent, OWNER, server_id, Permission.SEE_SERVER)
        with pytest.raises(ForbiddenError):
            server_for(work, agent, accredited, server_id, Permission.ACCEPT_CONTRACT)


def test_an_admin_contact_reads_and_does_not_write(office: Office) -> None:
    jan = life.make_account(office, "jan@muller.com.au")
    server_id = life.make_submitted(office)
    with office.reading() as work:
        _, actor = server_for(work, jan, OWNER, server_id, Permission.SEE_SERVER)
        assert actor.role is Role.ADMIN_CONTACT
        for permission in (Permission.EDIT_APPLICATION, Permission.SEE_PARTICULARS):
            with pytest.raises(ForbiddenError):
                server_for(work, jan, OWNER, server_id, permission)


def test_nobody_decides_in_his_own_cause(office: Office) -> None:
    screener = life.staff(office, Role.SCREENER).account_id
    assert screener is not None
    mine = life.make_draft(office, owner=screener, complete=False)
    others = life.make_draft(office, complete=False)
    roles = OWNER | {Role.SCREENER}
    with office.reading() as work:
        towards = [
            roles_towards(screener, roles, work.session.get_one(Server, key))
            for key in (mine, others)
        ]
        with pytest.raises(ForbiddenError):
            server_for(work, screener, roles, mine, Permission.SCREEN)
    assert towards == [OWNER, frozenset({Role.SCREENER})]
