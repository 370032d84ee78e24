"""The account's own pages, staff accounts, agents and tokens, as a browser uses them."""

from __future__ import annotations

import re

import pyotp
import pytest

from countersign.registrar.operations import accreditations, api_tokens, factors, passwords, staff
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.rules.access import Scope
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, AccreditationState
from tests.registrar.conftest import Clock
from tests.registrar.operations import life
from tests.registrar.web.letters import orders, token_of
from tests.registrar.web.visitors import Site, Visitor, add_account

PASSWORD = "orchid tractor velvet quorum"
HASH = passwords.hash_password(PASSWORD)
NEW = "meadow lantern cobalt fiddle"


@pytest.fixture
def owner(site: Site, office: Office) -> Visitor:
    return site.visitor(account_id=add_account(office, password_hash=HASH))


@pytest.fixture
def administrator(site: Site) -> Visitor:
    return site.visitor(Role.ADMINISTRATOR)


def account_of(office: Office, key: int) -> Account:
    with office.work() as work:
        account = work.session.get_one(Account, key)
        work.session.refresh(account, ["roles"])
        return account


def roles_of(office: Office, key: int) -> set[Role]:
    return {one.role for one in account_of(office, key).roles}


def codes_in(page: str) -> list[str]:
    return re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5})</code>", page)


def test_somebody_sets_up_an_authenticator_and_signs_in_with_it(
    site: Site, office: Office, owner: Visitor, clock: Clock
) -> None:
    other = site.visitor(account_id=owner.account_id)
    begin = owner.post("/account/second-factor/authenticator")
    page = owner.get(begin.headers["location"]).text
    secret = re.search(r"secret=([A-Z2-7]{32})", page)
    assert secret is not None
    assert "data:image/svg+xml" in page
    totp = pyotp.TOTP(secret[1])
    wrong = owner.post("/account/second-factor/authenticator/confirm", {"code": "000000"})
    assert wrong.status_code == 422
    cookie = owner.cookie
    done = owner.post("/account/second-factor/authenticator/confirm", {"code": totp.at(clock())})
    codes = codes_in(done.text)
    assert len(set(codes)) == 10
    assert done.headers["cache-control"] == "no-store"
    assert owner.cookie != cookie, "the session may do more now"
    assert owner.get("/account").status_code == 200
    assert other.get("/account").status_code == 303, "other sessions have ended"
    assert len(orders(office, "factor-added")) == 1

    account = account_of(office, owner.account_id)
    assert secret[1].encode() not in (account.totp_sealed or b"")
    again = site.anonymous()
    again.post("/sign-in", {"email": account.email, "password": PASSWORD})
    same = again.post("/sign-in/factor", {"code": totp.at(clock())})
    assert same.status_code == 422, "the code of the set-up is used up"
    clock.advance(seconds=30)
    assert again.post("/sign-in/factor", {"code": totp.at(clock())}).status_code == 303


def test_the_secret_of_another_account_is_worth_nothing(
    site: Site, office: Office, owner: Visitor
) -> None:
    owner.post("/account/second-factor/authenticator")
    with office.work() as work:
        from countersign.registrar.operations import sessions
        from countersign.registrar.vault.envelope import DamagedError

        found = sessions.find(work, owner.cookie)
        assert found is not None
        with pytest.raises(DamagedError):
            factors.pending_secret(work, Actor(Role.OWNER, 999), found.data["totp"])


def test_staff_without_second_factor_reach_only_the_page_to_set_one_up(
    site: Site, office: Office, clock: Clock
) -> None:
    screener = site.visitor(Role.SCREENER, factor="")
    for path in ("/account", "/staff/accounts", "/account/tokens", "/account/password"):
        assert screener.get(path).headers["location"] == "/account/second-factor"
    assert "Your role needs a second factor" in screener.get("/account/second-factor").text
    screener.post("/account/second-factor/authenticator")
    page = screener.get("/account/second-factor/authenticator").text
    secret = re.search(r"secret=([A-Z2-7]{32})", page)
    assert secret is not None
    code = pyotp.TOTP(secret[1]).at(clock())
    screener.post("/account/second-factor/authenticator/confirm", {"code": code})
    assert screener.get("/account").status_code == 200
    answer = screener.post("/account/second-factor/authenticator/remove")
    assert answer.status_code == 403
    assert "Staff must keep a second factor" in answer.text


def test_an_owner_may_remove_the_factor_and_with_it_the_codes(
    office: Office, owner: Visitor
) -> None:
    with office.work() as work:
        account = work.session.get_one(Account, owner.account_id)
        account.totp_sealed, account.totp_confirmed_at = b"x", work.now
        work.session.flush()
        factors.new_recovery_codes(work, Actor(Role.OWNER, account.id))
    assert "10 are left" in owner.get("/account/second-factor").text
    owner.post("/account/second-factor/authenticator/remove")
    with office.reading() as work:
        assert factors.recovery_codes_left(work, owner.account_id) == 0
        assert not factors.has_factor(work, work.session.get_one(Account, owner.account_id))


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(
    site: Site, office: Office, owner: Visitor
) -> None:
    other = site.visitor(account_id=owner.account_id)
    path = "/account/password"
    bad = owner.post(path, {"old_password": "wrong", "new_password": NEW})
    assert bad.status_code == 422
    assert "not your present password" in bad.text
    weak = owner.post(path, {"old_password": PASSWORD, "new_password": "password1234"})
    assert weak.status_code == 422
    assert owner.post(path, {"old_password": PASSWORD, "new_password": NEW}).status_code == 303
    assert owner.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert len(orders(office, "password-changed")) == 1


def test_guessing_at_the_password_in_a_stolen_session_locks_the_account(
    office: Office, owner: Visitor, clock: Clock
) -> None:
    for _ in range(5):
        owner.post("/account/password", {"old_password": "wrong", "new_password": NEW})
    right = owner.post("/account/password", {"old_password": PASSWORD, "new_password": NEW})
    assert right.status_code == 422
    assert len(orders(office, "account-locked")) == 1


def test_a_new_address_is_taken_by_a_link_that_goes_there(
    site: Site, office: Office, owner: Visitor
) -> None:
    assert owner.post("/account/email", {"email": "New@Harbour.com.au"}).status_code == 303
    assert [one["account"] for one in orders(office, "email-change-asked")] == [owner.account_id]
    path = f"/change-email/{token_of(office, 'change-email')}"
    thief = site.visitor()
    assert thief.post(path).status_code == 403
    assert account_of(office, owner.account_id).email != "new@harbour.com.au"
    assert owner.post(path).headers["location"] == "/account"
    assert account_of(office, owner.account_id).email == "new@harbour.com.au"
    assert owner.post(path).status_code == 404


def test_an_address_that_is_taken_is_not_told_from_one_that_is_free(
    site: Site, office: Office, owner: Visitor
) -> None:
    other = add_account(office)
    with office.work() as work:
        work.session.get_one(Account, other).email = "taken@harbour.com.au"
    answers = [
        owner.post("/account/email", {"email": f"{name}@harbour.com.au"})
        for name in ("taken", "free")
    ]
    pages = [owner.get("/account").text for _ in answers]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert "taken@harbour" not in pages[0]
    assert [one["account"] for one in orders(office, "account-exists")] == [other]
    asked = [one["account"] for one in orders(office, "email-change-asked")]
    assert asked == [owner.account_id] * 2, "the old mailbox gets the same letter"


def test_the_links_of_an_hour_do_not_tell_whether_an_address_is_taken(
    site: Site, office: Office, owner: Visitor
) -> None:
    other = add_account(office)
    taken = "taken@harbour.com.au"
    with office.work() as work:
        work.session.get_one(Account, other).email = taken
    owner.post("/account/email", {"email": "own@harbour.com.au"})
    path = f"/change-email/{token_of(office, 'change-email')}"
    owner.post("/account/email", {"email": taken})
    assert owner.post(path).status_code == 404, "void, as by an address that is free"
    owner.post("/account/email", {"email": taken})
    owner.post("/account/email", {"email": "own@harbour.com.au"})
    assert len(orders(office, "change-email")) == 1, "three were asked for already"


def test_one_ends_ones_other_sessions_but_nobody_elses(site: Site, owner: Visitor) -> None:
    second, third = (site.visitor(account_id=owner.account_id) for _ in range(2))
    stranger = site.visitor()
    page = owner.get("/account").text
    digests = re.findall(r'name="session" value="([0-9a-f]{64})"', page)
    assert len(digests) == 2
    stranger.post("/account/sessions/end", {"session": digests[0]})
    assert second.get("/account").status_code == third.get("/account").status_code == 200
    owner.post("/account/sessions/end", {"session": digests[0]})
    statuses = {one.get("/account").status_code for one in (second, third)}
    assert statuses == {200, 303}
    owner.post("/account/sessions/end", {"all": "yes"})
    assert {one.get("/account").status_code for one in (second, third)} == {303}
    assert owner.get("/account").status_code == 200
    assert stranger.get("/account").status_code == 200


def test_a_token_is_shown_once_and_is_good_until_revoked(
    office: Office, owner: Visitor, clock: Clock
) -> None:
    form = {"name": "Gateway of mx1", "scopes": ["servers:read", "nonsense"], "days": "30"}
    page = owner.post("/account/tokens", form).text
    token = re.search(r"csr_[A-Za-z0-9_-]{43}", page)
    assert token is not None
    assert token[0] not in owner.get("/account/tokens").text
    with office.reading() as work:
        bearer = api_tokens.authenticate(work, token[0])
        assert bearer is not None
        assert bearer.account_id == owner.account_id
        assert bearer.scopes == {Scope.READ_SERVERS}
        assert api_tokens.authenticate(work, token[0][:-1]) is None
        assert api_tokens.authenticate(work, token[0] + "x") is None
    clock.advance(days=31)
    with office.reading() as work:
        assert api_tokens.authenticate(work, token[0]) is None
    clock.advance(days=-31)
    key = bearer.token_id
    assert Visitor.post(owner, f"/account/tokens/{key}/revoke").status_code == 303
    with office.reading() as work:
        assert api_tokens.authenticate(work, token[0]) is None


def test_a_token_is_revoked_by_its_owner_only(site: Site, office: Office, owner: Visitor) -> None:
    with office.work() as work:
        actor = Actor(Role.OWNER, owner.account_id)
        token = api_tokens.create(work, actor, "x", [Scope.READ_SERVERS], server_id=None, days=1)
        bearer = api_tokens.authenticate(work, token)
        assert bearer is not None
    assert site.visitor().post(f"/account/tokens/{bearer.token_id}/revoke").status_code == 404
    with office.reading() as work:
        assert api_tokens.authenticate(work, token) is not None


def test_a_token_is_for_ones_own_server_and_without_the_staffs_roles(office: Office) -> None:
    screener = add_account(office, Role.SCREENER, Role.AGENT)
    theirs = life.make_draft(office)
    with office.work() as work:
        actor = Actor(Role.OWNER, screener)
        with pytest.raises(OperationError):
            api_tokens.create(work, actor, "x", [Scope.READ_SERVERS], server_id=theirs, days=1)
        token = api_tokens.create(work, actor, "x", [Scope.READ_SERVERS], server_id=None, days=1)
        bearer = api_tokens.authenticate(work, token)
    assert bearer is not None
    assert bearer.roles == {Role.OWNER, Role.AGENT}


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", ["servers:read"], "30"),
        ("x", [], "30"),
        ("x", ["servers:read"], "9999"),
        ("x" * 65, ["servers:read"], "1"),
    ],
)
def test_a_token_without_name_or_scope_or_end_is_not_made(
    owner: Visitor, office: Office, name: str, scopes: list[str], days: str
) -> None:
    form = {"name": name, "scopes": scopes, "days": days}
    assert owner.post("/account/tokens", form).status_code == 422
    with office.reading() as work:
        assert api_tokens.tokens_of(work, owner.account_id) == []


def test_an_administrator_invites_staff_who_choose_a_password_and_enrol(
    site: Site, office: Office, administrator: Visitor
) -> None:
    form = {
        "name": "Sam Rao",
        "email": "sam@registrar.com.au",
        "roles": ["screener", "adjudicator"],
    }
    assert administrator.post("/staff/accounts/invite", form).status_code == 303
    assert "sam@registrar.com.au" in administrator.get("/staff/accounts").text
    sam = site.anonymous()
    path = f"/invitation/{token_of(office, 'staff-invitation')}"
    assert "Welcome" in sam.get(path).text
    assert sam.post(path, {"password": PASSWORD}).headers["location"] == "/sign-in"
    answer = sam.post("/sign-in", {"email": "sam@registrar.com.au", "password": PASSWORD})
    assert answer.headers["location"] == "/account/second-factor"
    key = orders(office, "staff-invitation")[0]["account"]
    assert roles_of(office, key) == {Role.SCREENER, Role.ADJUDICATOR}


def test_roles_are_given_and_taken_by_administrators_and_sessions_end(
    site: Site, office: Office, administrator: Visitor
) -> None:
    person = site.visitor()
    base = f"/staff/accounts/{person.account_id}"
    administrator.post(f"{base}/grant", {"role": "treasurer"})
    assert roles_of(office, person.account_id) == {Role.TREASURER}
    assert person.get("/account").status_code == 303, "to be used after a new sign-in"
    assert len(orders(office, "roles-changed")) == 1
    treasurer = site.visitor(account_id=person.account_id)
    assert treasurer.get("/account").status_code == 200
    administrator.post(f"{base}/revoke", {"role": "treasurer"})
    assert roles_of(office, person.account_id) == set()
    assert treasurer.get("/account").status_code == 303


def test_what_no_administrator_may_do(site: Site, office: Office, administrator: Visitor) -> None:
    own = f"/staff/accounts/{administrator.account_id}"
    for deed, form in (
        ("grant", {"role": "treasurer"}),
        ("revoke", {"role": "administrator"}),
        ("disable", {}),
        ("remove-factors", {}),
    ):
        assert administrator.post(f"{own}/{deed}", form).status_code == 403
    person = add_account(office)
    back = {"page": f"/staff/accounts/{person}"}
    for role in ("agent", "owner", "system", "nonsense", ""):
        administrator.post(f"/staff/accounts/{person}/grant", {"role": role}, **back)
    assert roles_of(office, person) == set()
    administrator.post(f"/staff/accounts/{person}/grant", {"role": "administrator"}, **back)
    administrator.post(f"/staff/accounts/{person}/grant", {"role": "treasurer"}, **back)
    assert roles_of(office, person) == {Role.ADMINISTRATOR}
    assert roles_of(office, administrator.account_id) == {Role.ADMINISTRATOR}


def test_the_last_administrator_stays(office: Office) -> None:
    first, second = (add_account(office, Role.ADMINISTRATOR) for _ in range(2))
    with office.work() as work:
        staff.disable(work, Actor(Role.ADMINISTRATOR, first), second)
    for deed in (
        lambda work: staff.revoke(work, SYSTEM, first, Role.ADMINISTRATOR),
        lambda work: staff.disable(work, SYSTEM, first),
    ):
        with pytest.raises(OperationError, match="last administrator"), office.work() as work:
            deed(work)
    with office.work() as work:
        staff.enable(work, Actor(Role.ADMINISTRATOR, first), second)
        staff.revoke(work, Actor(Role.ADMINISTRATOR, second), first, Role.ADMINISTRATOR)
    assert roles_of(office, first) == set()


def test_only_an_administrator_can_by_the_operations_too(office: Office) -> None:
    person = add_account(office)
    for role in Role:
        if role in (Role.ADMINISTRATOR, Role.SYSTEM):
            continue
        with office.work() as work, pytest.raises(ForbiddenError):
            staff.grant(work, Actor(role, 77), person, Role.SCREENER)


def test_a_disabled_account_loses_its_tokens(
    site: Site, office: Office, owner: Visitor, administrator: Visitor
) -> None:
    with office.work() as work:
        actor = Actor(Role.OWNER, owner.account_id)
        token = api_tokens.create(work, actor, "x", [Scope.READ_SERVERS], server_id=None, days=1)
    administrator.post(f"/staff/accounts/{owner.account_id}/disable")
    assert owner.get("/account").status_code == 303
    administrator.post(f"/staff/accounts/{owner.account_id}/enable")
    with office.reading() as work:
        assert api_tokens.authenticate(work, token) is None


def test_an_invitation_does_not_hand_staff_roles_to_whoever_signed_up_first(
    site: Site, office: Office, administrator: Visitor
) -> None:
    email = "sam@registrar.com.au"
    form = {"name": "Mallory", "email": email, "password": NEW}
    site.anonymous().post("/sign-up", form)
    invitation = {"name": "Sam Rao", "email": email, "roles": ["screener"]}
    administrator.post("/staff/accounts/invite", invitation)
    assert site.anonymous().post("/sign-in", {"email": email, "password": NEW}).status_code == 422
    link = f"/confirm-email/{token_of(office, 'confirm-email')}"
    assert site.anonymous().post(link, {"password": NEW}).status_code == 422
    # A later sign-up does not put a password of its own under the roles either.
    site.anonymous().post("/sign-up", form)
    assert site.anonymous().post("/sign-in", {"email": email, "password": NEW}).status_code == 422


def test_addresses_are_searched_without_a_trace_in_an_address_bar(
    office: Office, administrator: Visitor, owner: Visitor
) -> None:
    email = account_of(office, owner.account_id).email
    page = administrator.post("/staff/accounts/search", {"q": email[:7].upper()})
    assert page.status_code == 200
    assert email in page.text
    assert email not in administrator.post("/staff/accounts/search", {"q": "%"}).text


def test_an_agent_is_accredited_once_and_may_be_refused_or_withdrawn(
    site: Site, office: Office, administrator: Visitor, owner: Visitor
) -> None:
    form = {"organisation": "Harbour Agents Pty Ltd", "statement": "Our hosting customers."}
    assert owner.post("/account/agent", {"organisation": "x"}).status_code == 422
    assert owner.post("/account/agent", form).status_code == 303
    assert owner.post("/account/agent", form).status_code == 422
    assert "Harbour Agents" in administrator.get("/staff/accreditations").text
    with office.reading() as work:
        first = accreditations.latest(work, owner.account_id)
    assert first is not None
    path = f"/staff/accreditations/{first.id}"
    back = {"page": "/staff/accreditations"}
    assert administrator.post(f"{path}/decide", {"decision": "refuse"}, **back).status_code == 303
    assert "Enter a reason" in administrator.get("/staff/accreditations").text
    administrator.post(f"{path}/decide", {"decision": "refuse", "reason": "No papers."})
    assert "No papers." in owner.get("/account/agent").text
    assert roles_of(office, owner.account_id) == set()

    owner.post("/account/agent", form)
    with office.reading() as work:
        second = accreditations.latest(work, owner.account_id)
    assert second is not None
    path = f"/staff/accreditations/{second.id}"
    administrator.post(f"{path}/decide", {"decision": "accredit"})
    assert roles_of(office, owner.account_id) == {Role.AGENT}
    assert administrator.post(f"{path}/decide", {"decision": "accredit"}).status_code == 409
    administrator.post(f"{path}/withdraw", {"reason": "Complaints."})
    assert roles_of(office, owner.account_id) == set()
    assert len(orders(office, "accreditation-decided")) == 3


def test_nobody_accredits_oneself(site: Site, office: Office, administrator: Visitor) -> None:
    with office.work() as work:
        actor = Actor(Role.OWNER, administrator.account_id)
        made = accreditations.ask(work, actor, "Mine", "Me")
    path = f"/staff/accreditations/{made.id}/decide"
    assert administrator.post(path, {"decision": "accredit"}).status_code == 403


def test_of_two_who_decide_at_once_one_is_told(office: Office) -> None:
    person = add_account(office)
    with office.work() as work:
        made = accreditations.ask(work, Actor(Role.OWNER, person), "Agents", "Customers")
    first, second = (
        Actor(Role.ADMINISTRATOR, add_account(office, Role.ADMINISTRATOR)) for _ in range(2)
    )
    with office.work() as work:
        accreditations.decide(work, first, made.id, accept=False, reason="No.")
    with pytest.raises(ConflictError), office.work() as work:
        accreditations.decide(work, second, made.id, accept=True, reason="")
    with office.reading() as work:
        latest = accreditations.latest(work, person)
    assert latest is not None
    assert latest.state is AccreditationState.REFUSED
