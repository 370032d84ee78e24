"""Who may use which route: every route of the website and the API, walked as everybody.

What must happen is worked out here from the declaration and the table of permissions, not by
the code that decides. Forms are sent without their token: whoever may send one is told so by
another text than whoever may not, and nothing is changed on the walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from httpx import Response
from starlette.routing import Match

from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.office import Actor, Office
from countersign.registrar.web.access import Access, Kind, Standing, Verdict, decide, server
from countersign.registrar.web.app import make_app
from countersign.registrar.web.entrance import ENROL, PROVE
from countersign.registrar.web.pages import Page
from countersign.rules.access import TABLE, Permission, Scope, acting_role, may, roles_towards
from countersign.rules.roles import STAFF, Role, conflicting
from countersign.storage.database.accounts import Account, AccountRole
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import life
from tests.registrar.web.visitors import Site, Visitor, add_account, with_config

OUT_OF_DATE = "The form is out of date"
_OF_THE_API = (Kind.PUBLIC, Kind.TOKEN, Kind.PROBE, Kind.INVITED, Kind.SIGNED)


@dataclass
class Somebody:
    """A visitor, and what is true of it."""

    name: str
    visitor: Visitor
    roles: frozenset[Role] = frozenset()
    towards: frozenset[Role] = frozenset()
    must_enrol: bool = False


@dataclass
class Cast:
    """Everybody, and the server that they are somebody to."""

    server: int
    everybody: list[Somebody] = field(default_factory=list)


def add_role(office: Office, account_id: int, role: Role) -> None:
    with office.work() as work:
        account = work.session.get_one(Account, account_id)
        account.roles.append(AccountRole(role=role, granted_at=work.now))


def gather(office: Office, app: object) -> Cast:
    agent = add_account(office, Role.AGENT)
    server_id = life.make_draft(office, agent=agent)
    admin_contact = add_account(office)
    with office.work() as work:
        row = work.session.get_one(Server, server_id)
        row.admin_contact_id = admin_contact
        owner = row.owner_id
    site = Site(office, app)
    cast = Cast(server_id)

    def add(name: str, *roles: Role, account: int = 0, towards: Role | None = None) -> None:
        visitor = site.visitor(*roles, account_id=account)
        own = frozenset({towards}) if towards else frozenset(roles) & STAFF
        cast.everybody.append(Somebody(name, visitor, frozenset({Role.OWNER, *roles}), own))

    cast.everybody.append(Somebody("anonymous", site.anonymous()))
    add("owner", account=owner, towards=Role.OWNER)
    add("agent of it", Role.AGENT, account=agent, towards=Role.AGENT)
    add("admin contact", account=admin_contact, towards=Role.ADMIN_CONTACT)
    add("another owner")
    add("another agent", Role.AGENT)
    for role in sorted(STAFF):
        add(role, role)
        visitor = site.visitor(role, factor="")
        roles = frozenset({Role.OWNER, role})
        cast.everybody.append(
            Somebody(f"{role} without second factor", visitor, roles, frozenset({role}), True)
        )
    # A screener whose own server it is: for this one she is its owner and nothing else.
    screener = add_account(office, Role.SCREENER)
    with office.work() as work:
        work.session.get_one(Server, server_id).admin_contact_id = screener
    add("screener, admin contact", Role.SCREENER, account=screener, towards=Role.ADMIN_CONTACT)
    before = next(one for one in cast.everybody if one.name == "admin contact")
    before.towards = frozenset()
    before.name = "former admin contact"
    return cast


def expected(access: Access, somebody: Somebody) -> str:
    """Say what must become of a visitor, from the declaration alone."""
    if access.kind is Kind.PUBLIC:
        return "allowed"
    if not somebody.roles:
        return "sign-in"
    if somebody.must_enrol and access.kind is not Kind.ENROLLING:
        return "enrol"
    if access.kind is Kind.ROLES:
        return "allowed" if somebody.roles & access.roles else "refused"
    if access.kind is Kind.SERVER:
        permissions = {one for role in somebody.towards for one in TABLE[role]}
        if Permission.SEE_SERVER not in permissions:
            return "hidden"
        return "allowed" if access.permission in permissions else "refused"
    assert access.kind in (Kind.SIGNED_IN, Kind.ENROLLING)
    return "allowed"


def seen(answer: Response, method: str) -> str:
    """Say what became of a visitor."""
    where = answer.headers.get("location", "")
    if answer.status_code == 303 and where.startswith("/sign-in?next="):
        return "sign-in"
    if answer.status_code == 303 and where == ENROL:
        return "enrol"
    if answer.status_code == 403:
        if method == "POST":
            return "allowed" if OUT_OF_DATE in answer.text else "refused"
        return "refused"
    if answer.status_code == 404 and "no such server, or it is not yours" in answer.text:
        return "hidden"
    assert method == "GET", f"{answer.status_code}: a form was taken without its token"
    assert answer.status_code < 500, answer.text
    return "allowed"


def filled(path: str, server_id: int) -> str:
    """Return a path with something in the place of its parameters."""
    path = path.replace("{server:key}", str(server_id))
    return re.sub(r"\{\w+(:\w+)?\}", lambda found: "1" if found[1] else "token", path)


def walk(app: object) -> Iterator[Page]:
    for path in app.state.paths:  # type: ignore[attr-defined]
        yield from path.pages.values()


@pytest.mark.slow
def test_every_route_is_open_to_those_who_may_and_nobody_else(office: Office) -> None:
    office = with_config(office, security={"requests_per_minute": 1_000_000})
    app = make_app(office)
    cast = gather(office, app)
    wrong: list[str] = []
    counted: dict[str, int] = {}
    for page in walk(app):
        if page.path == "/sign-out":
            continue
        url = filled(page.path, cast.server)
        for somebody in cast.everybody:
            want = expected(page.access, somebody)
            visitor = somebody.visitor
            answer = visitor.get(url) if page.method == "GET" else visitor.client.post(url, data={})
            got = seen(answer, page.method)
            counted[got] = counted.get(got, 0) + 1
            if got != want:
                wrong.append(f"{page.method} {page.path} as {somebody.name}: {got}, not {want}")
    assert wrong == []
    assert set(counted) == {"allowed", "sign-in", "enrol", "refused", "hidden"}


@pytest.mark.slow
def test_every_sensitive_route_asks_again_who_one_is(office: Office, clock: Clock) -> None:
    office = with_config(office, security={"requests_per_minute": 1_000_000})
    app = make_app(office)
    cast = gather(office, app)
    clock.advance(minutes=11)
    pages = [page for page in walk(app) if page.access.fresh]
    assert len(pages) > 10
    for page in pages:
        url = filled(page.path, cast.server)
        asked = 0
        for somebody in cast.everybody:
            visitor = somebody.visitor
            answer = visitor.get(url) if page.method == "GET" else visitor.client.post(url, data={})
            if expected(page.access, somebody) == "allowed":
                where = answer.headers.get("location", "")
                assert where.startswith(PROVE), f"{page.method} {page.path} as {somebody.name}"
                asked += 1
        assert asked, f"{page.method} {page.path}"


def test_what_must_be_sensitive_is(office: Office) -> None:
    fresh = {(page.method, page.path) for page in walk(Site(office).app) if page.access.fresh}
    for path in (
        "/account/email",
        "/account/tokens",
        "/account/second-factor/authenticator",
        "/account/second-factor/authenticator/confirm",
        "/account/second-factor/authenticator/remove",
        "/account/second-factor/passkeys",
        "/account/second-factor/recovery-codes",
        "/staff/accounts/invite",
        "/staff/accounts/{account:key}/grant",
        "/staff/accounts/{account:key}/revoke",
        "/staff/accounts/{account:key}/disable",
        "/staff/accounts/{account:key}/remove-factors",
        "/staff/secondaries/add",
        "/staff/secondaries/{secondary:key}/change",
        "/staff/secondaries/{secondary:key}/remove",
        "/staff/secondaries/{secondary:key}/keys/issue",
        "/staff/secondaries/{secondary:key}/keys/rotate",
        "/staff/secondaries/{secondary:key}/keys/{key:key}/revoke",
        "/staff/secondaries/{secondary:key}/keys/{key:key}/reveal",
    ):
        assert ("POST", path) in fresh, path


def test_staff_pages_are_for_staff_only(office: Office) -> None:
    for page in walk(Site(office).app):
        if page.path.startswith("/staff"):
            assert page.access.kind in (Kind.ROLES, Kind.SERVER), page.path
            assert page.access.roles <= STAFF, page.path


@pytest.mark.parametrize("with_cookie", [False, True])
def test_every_route_of_the_api_wants_a_token_of_its_scope(
    office: Office, with_cookie: bool
) -> None:
    from countersign.registrar.api.app import declarations, make_api

    office = with_config(office, security={"requests_per_minute": 1_000_000})
    app = make_app(office, api=make_api(office))
    site = Site(office, app)
    visitor = site.visitor() if with_cookie else site.anonymous()
    owner = add_account(office)
    tokens = {scope: make_token(office, owner, scope) for scope in Scope}
    routes = list(declarations())
    assert len(routes) > 10
    for method, path, access in routes:
        url = "/api" + re.sub(r"\{\w+\}", "1", path)
        ask = {"method": method, "url": url}
        assert access.kind in _OF_THE_API, path
        if access.kind is Kind.PUBLIC:
            assert method == "GET"
            continue
        assert visitor.client.request(**ask).status_code in (400, 401, 403, 503), path  # type: ignore[arg-type]
        if access.kind in (Kind.SIGNED, Kind.INVITED):
            continue
        assert visitor.client.request(**ask).status_code == 401, path  # type: ignore[arg-type]
        bad = {"Authorization": "Bearer csr_" + "x" * 43}
        assert visitor.client.request(**ask, headers=bad).status_code == 401, path  # type: ignore[arg-type]
        for scope, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            if access.kind is Kind.PROBE:
                # No token is good for what only probes may.
                answer = visitor.client.request(**ask, headers=headers)  # type: ignore[arg-type]
                assert answer.status_code == 401, path
                continue
            if access.scope is None or scope is access.scope:
                continue
            answer = visitor.client.request(**ask, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 403, f"{method} {path} with {scope}"


def make_token(office: Office, account_id: int, scope: Scope) -> str:
    with office.work() as work:
        actor = Actor(Role.OWNER, account_id)
        return api_tokens.create(work, actor, str(scope), [scope], server_id=None, days=1)


def test_the_table_keeps_papers_money_and_rights_apart() -> None:
    def who(permission: Permission) -> set[Role]:
        return {role for role, permissions in TABLE.items() if permission in permissions}

    assert who(Permission.SEE_DOCUMENTS) == {Role.SCREENER}
    assert who(Permission.SEE_PARTICULARS) == {Role.OWNER, Role.AGENT, Role.SCREENER}
    assert who(Permission.MOVE_MONEY) == {Role.TREASURER}
    assert who(Permission.ADJUDICATE) == {Role.ADJUDICATOR}
    assert who(Permission.SCREEN) == {Role.SCREENER}
    assert who(Permission.MANAGE_STAFF) == who(Permission.ACCREDIT) == {Role.ADMINISTRATOR}
    assert who(Permission.MANAGE_SECONDARIES) == {Role.ADMINISTRATOR}
    assert who(Permission.SEE_SECONDARIES) == {Role.ADMINISTRATOR, Role.AUDITOR}
    assert who(Permission.MANAGE_PROBES) == {Role.ADMINISTRATOR}
    assert who(Permission.SEE_PROBES) == {Role.ADMINISTRATOR, Role.AUDITOR}
    assert who(Permission.ACCEPT_CONTRACT) == {Role.OWNER}
    assert Permission.SEE_SERVER not in TABLE[Role.ADMINISTRATOR]
    changing = {
        Permission.SCREEN,
        Permission.ADJUDICATE,
        Permission.MOVE_MONEY,
        Permission.RECORD_OFFENDERS,
        Permission.MANAGE_STAFF,
        Permission.ACCREDIT,
        Permission.RETRY_JOBS,
        Permission.MANAGE_SECONDARIES,
        Permission.MANAGE_PROBES,
        Permission.EDIT_APPLICATION,
    }
    assert not changing & TABLE[Role.AUDITOR]
    assert not changing & TABLE[Role.ADMIN_CONTACT]
    assert set(TABLE) == set(Role)
    assert TABLE[Role.SYSTEM] == TABLE[Role.PROBE] == frozenset()


def test_nobody_decides_in_a_matter_of_their_own() -> None:
    everything = frozenset({Role.OWNER, Role.AGENT, *STAFF})
    assert roles_towards((1, 2, 3), 1, everything) == {Role.OWNER}
    assert roles_towards((1, 2, 3), 2, everything) == {Role.AGENT}
    assert roles_towards((1, 2, 3), 3, everything) == {Role.ADMIN_CONTACT}
    assert roles_towards((1, 2, 3), 4, everything) == STAFF
    assert roles_towards((1, 2, 3), 4, {Role.OWNER, Role.AGENT}) == frozenset()
    assert roles_towards((1, 2, None), 2, {Role.OWNER}) == frozenset(), "no longer accredited"
    assert roles_towards((1, None, 1), 1, {Role.OWNER}) == {Role.OWNER, Role.ADMIN_CONTACT}


def test_one_acts_in_the_role_that_allows_it() -> None:
    roles = {Role.OWNER, Role.ADJUDICATOR, Role.TREASURER}
    assert acting_role(roles, Permission.MOVE_MONEY) is Role.TREASURER
    assert acting_role(roles, Permission.CONFIRM_FORFEITURE) is Role.ADJUDICATOR
    assert acting_role(roles, Permission.SCREEN) is None
    assert not may((), Permission.SEE_SERVER)


def test_a_page_is_never_open_by_a_declaration_of_the_api() -> None:
    everybody = Standing(frozenset(Role), False, True, frozenset(Role))
    for kind in (Kind.TOKEN, Kind.SIGNED):
        assert decide(Access(kind), everybody) is Verdict.REFUSE
    assert decide(Access(Kind.SERVER), everybody) is Verdict.REFUSE
    assert decide(server(Permission.SCREEN), Standing()) is Verdict.SIGN_IN


def test_some_roles_do_not_go_together() -> None:
    assert conflicting(Role.ADMINISTRATOR, [Role.TREASURER]) is Role.TREASURER
    assert conflicting(Role.SCREENER, [Role.ADMINISTRATOR]) is Role.ADMINISTRATOR
    assert conflicting(Role.AUDITOR, [Role.ADJUDICATOR]) is Role.ADJUDICATOR
    assert conflicting(Role.TREASURER, [Role.AUDITOR]) is Role.AUDITOR
    assert conflicting(Role.SCREENER, [Role.ADJUDICATOR, Role.AGENT]) is None
    assert conflicting(Role.AUDITOR, [Role.AGENT]) is None


def test_no_route_is_hidden_behind_another(office: Office) -> None:
    app = Site(office).app
    hidden = []
    for path in app.state.paths:
        url = filled(path.path, 1)
        scope = {"type": "http", "method": "GET", "path": url, "root_path": "", "headers": []}
        first = next(route for route in app.routes if route.matches(scope)[0] is not Match.NONE)
        if getattr(first, "path", "") != path.path:
            hidden.append(f"{path.path} behind {first.path}")
    assert hidden == []
