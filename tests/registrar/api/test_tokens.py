"""Who gets in: tokens, their scopes and servers; and what nobody gets in by."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import event, select

from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.office import Actor, Office
from countersign.rules.access import Scope
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, ApiToken
from tests.registrar.api.programs import Desk, Program, about, good, refused
from tests.registrar.operations import life, treasury
from tests.registrar.web.visitors import Site

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def token_row(office: Office) -> ApiToken:
    with office.reading() as work:
        return work.session.scalars(select(ApiToken)).one()


def test_without_a_token_a_program_is_told_how_to_send_one(desk: Desk) -> None:
    answer = desk.stranger().get("/servers")
    refused(answer, 401, "Authorization: Bearer")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="registrar"'


def test_what_is_not_exactly_a_good_token_is_refused(desk: Desk) -> None:
    token = desk.token(life.make_account(desk.office))
    program = desk.stranger()
    for header in (
        "Bearer",
        "Bearer ",
        f"Bearer csr_{'x' * 43}",
        f"Bearer csr_{'x' * 42}",
        f"Bearer csr_{'x' * 100_000}",
        f"Bearer {token}x",
        "Bearer \x00",
        f"Basic {token}",
        token,
    ):
        program.client.headers["Authorization"] = header
        with about(header[:60]):
            refused(program.get("/me"), 401)
    assert token_row(desk.office).last_used_at is None


def test_the_scheme_may_be_written_in_any_case(desk: Desk) -> None:
    token = desk.token(life.make_account(desk.office))
    program = desk.stranger()
    program.client.headers["Authorization"] = f"bEARER {token}"
    good(program.get("/me"))


def test_a_token_in_the_address_or_in_a_form_does_not_count(desk: Desk) -> None:
    token = desk.token(life.make_account(desk.office))
    stranger = desk.stranger()
    refused(stranger.get("/me", params={"access_token": token}), 401)
    refused(stranger.call("POST", "/servers", data={"access_token": token}), 401)


def test_a_cookie_of_the_website_counts_for_nothing(desk: Desk, office: Office) -> None:
    account_id = life.make_account(office)
    visitor = Site(office).visitor(account_id=account_id)
    program = desk.stranger()
    program.client.cookies = visitor.client.cookies
    refused(program.get("/servers"), 401)
    # With a token it is the token's account, and no token of a form is asked for.
    other = desk.program(life.make_account(office))
    other.client.cookies = visitor.client.cookies
    new = {"hostname": life.a_hostname(), "kind": "individual"}
    answer = good(other.post("/servers", new, headers={"Origin": "https://evil.example"}), 201)
    refused(desk.program(account_id).get(f"/servers/{answer.json()['id']}"), 404)
    assert "set-cookie" not in answer.headers


def test_a_revoked_token_is_refused(desk: Desk, office: Office) -> None:
    account_id = life.make_account(office)
    program = desk.program(account_id)
    good(program.get("/me"))
    with office.work() as work:
        api_tokens.revoke(work, Actor(Role.OWNER, account_id), token_row(office).id)
    answer = program.get("/me")
    refused(answer, 401, "revoked")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_ends_with_its_last_day(desk: Desk, clock: Clock) -> None:
    program = desk.program(life.make_account(desk.office), days=30)
    clock.advance(days=30, seconds=-1)
    good(program.get("/me"))
    clock.advance(seconds=1)
    refused(program.get("/me"), 401)


def test_a_disabled_accounts_tokens_are_refused(desk: Desk, office: Office) -> None:
    account_id = life.make_account(office)
    program = desk.program(account_id)
    with office.work() as work:
        work.session.get_one(Account, account_id).disabled_at = work.now
    refused(program.get("/me"), 401)


def test_a_token_without_the_scope_is_told_which_it_lacks(desk: Desk) -> None:
    program = desk.program(life.make_account(desk.office), Scope.READ_MONEY)
    answer = program.get("/servers")
    refused(answer, 403, "servers:read")
    assert 'error="insufficient_scope", scope="servers:read"' in answer.headers["WWW-Authenticate"]


def test_a_token_for_one_server_is_good_for_that_one_only(desk: Desk, office: Office) -> None:
    owner = life.make_account(office)
    mine, other = life.make_draft(office, owner=owner), life.make_draft(office, owner=owner)
    program = desk.program(owner, server=mine)
    good(program.get(f"/servers/{mine}"))
    refused(program.get(f"/servers/{other}"), 404)
    assert [one["id"] for one in good(program.get("/servers")).json()["items"]] == [mine]
    new = {"hostname": life.a_hostname(), "kind": "individual"}
    refused(program.post("/servers", new), 403, "one server only")


def test_a_stranger_sees_no_difference_between_a_server_and_none(
    desk: Desk, office: Office
) -> None:
    server_id = life.make_draft(office)
    program = desk.program(life.make_account(office))
    hidden, missing = program.get(f"/servers/{server_id}"), program.get("/servers/999999")
    assert refused(hidden, 404) == refused(missing, 404)


def test_staff_are_nobody_to_the_api(desk: Desk, office: Office) -> None:
    server_id = life.make_submitted(office)
    for role in (Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER, Role.AUDITOR):
        account_id = life.staff(office, role).account_id
        assert account_id is not None
        program = desk.program(account_id)
        refused(program.get(f"/servers/{server_id}"), 404)
        assert good(program.get("/me")).json()["roles"] == ["owner"]


def test_an_agent_is_one_as_long_as_accredited(desk: Desk, office: Office) -> None:
    agent = life.make_account(office, "agent@helpers.com.au", Role.AGENT)
    server_id = life.make_draft(office, agent=agent)
    program = desk.program(agent)
    good(program.get(f"/servers/{server_id}"))
    with office.work() as work:
        account = work.session.get_one(Account, agent)
        account.roles.clear()
    refused(program.get(f"/servers/{server_id}"), 404)
    assert good(program.get("/servers")).json()["items"] == []


def test_owner_agent_and_admin_contact_may_each_what_is_theirs(desk: Desk, office: Office) -> None:
    agent = life.make_account(office, "agent@helpers.com.au", Role.AGENT)
    admin = life.make_account(office, "ada@muller.com.au")
    server_id = treasury.make_active(office, agent_id=agent, admin_contact_id=admin)
    owner = treasury.server_of(office, server_id).owner_id
    where = f"/servers/{server_id}"
    new = {"identifier": "17", "accepted_on": "2026-03-01"}
    for account_id in (owner, agent, admin):
        program = desk.program(account_id)
        for path in ("", "/events", "/tests", "/traps", "/keys", "/invoices", "/dues", "/sponsors"):
            good(program.get(where + path))
        assert [one["id"] for one in program.get("/servers").json()["items"]] == [server_id]
    good(desk.program(owner).post(f"{where}/privileged-users", new), 201)
    for account_id in (agent, admin):
        refused(desk.program(account_id).post(f"{where}/privileged-users", new), 403, "may not")
    question = {"purpose": "A new user.", "name": "A B", "birth_date": "1980-01-01"}
    refused(desk.program(agent).post(f"{where}/offender-queries", question), 403)
    refused(desk.program(admin).post(f"{where}/tests"), 403)
    good(desk.program(agent).post(f"{where}/tests"), 202)
    refused(desk.program(admin).get(f"{where}/steps/host"), 403)
    good(desk.program(agent).get(f"{where}/steps/directory"))


def test_a_program_can_ask_what_its_token_may_do(desk: Desk, office: Office) -> None:
    owner = life.make_account(office)
    server_id = life.make_draft(office, owner=owner)
    program = desk.program(owner, Scope.READ_HOLDINGS, Scope.READ_MONEY, server=server_id, days=7)
    assert good(program.get("/me")).json() == {
        "token": "Program",
        "scopes": ["holdings:read", "money:read"],
        "roles": ["owner"],
        "server": server_id,
        "expires_at": "2026-03-09T09:00:00Z",
        "questions_left": 20,
    }


def test_the_last_use_of_a_token_is_noted_once_a_minute(desk: Desk, clock: Clock) -> None:
    program = desk.program(life.make_account(desk.office))
    good(program.get("/me"))
    first = clock.now
    clock.advance(seconds=59)
    good(program.get("/me"))
    assert token_row(desk.office).last_used_at == first
    clock.advance(seconds=1)
    good(program.get("/me"))
    assert token_row(desk.office).last_used_at == first + datetime.timedelta(minutes=1)


def statements_of(office: Office, program: Program) -> int:
    """Return how many statements a request costs."""
    seen = []

    def note(*what: object) -> None:
        seen.append(what)

    engine = office.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        program.get("/me")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def test_a_bad_token_costs_no_more_than_a_good_one(desk: Desk, office: Office) -> None:
    account_id = life.make_account(office)
    right = desk.program(account_id)
    good(right.get("/me"))
    most = statements_of(office, right)
    revoked = desk.program(account_id)
    with office.work() as work:
        api_tokens.revoke_all(work, account_id)
    costs = {
        name: statements_of(office, program)
        for name, program in {
            "unknown": desk.with_token("csr_" + "A" * 43),
            "revoked": revoked,
            "misshapen": desk.with_token("A" * 47),
        }.items()
    }
    assert costs["misshapen"] <= costs["unknown"] <= costs["revoked"] <= most
