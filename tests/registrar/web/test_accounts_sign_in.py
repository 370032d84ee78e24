"""Sign up, sign in, lock-out, factors, through the website as a browser uses it."""

from __future__ import annotations

import datetime
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from countersign.registrar.operations import factors, passwords, sessions
from countersign.registrar.operations.office import Actor, Office
from countersign.registrar.operations.sign_in import Outcome, by_password
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, OneTimeToken, WebSession
from tests.registrar.conftest import Clock
from tests.registrar.web.letters import orders, token_of
from tests.registrar.web.visitors import Site, Visitor, add_account

PASSWORD = "orchid tractor velvet quorum"
HASH = passwords.hash_password(PASSWORD)
EMAIL = "mei.chen@harbour.com.au"


@pytest.fixture
def owner(office: Office) -> int:
    """An account with a password."""
    key = add_account(office, password_hash=HASH)
    with office.work() as work:
        work.session.get_one(Account, key).email = EMAIL
    return key


def sign_in(visitor: Visitor, password: str = PASSWORD, email: str = EMAIL, **more: str) -> Any:
    return visitor.post("/sign-in", {"email": email, "password": password, **more})


def is_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status_code == 200


def account_of(office: Office, key: int) -> Account:
    with office.work() as work:
        account = work.session.get_one(Account, key)
        work.session.refresh(account)
        return account


def set_up_totp(office: Office, key: int) -> tuple[pyotp.TOTP, list[str]]:
    secret = pyotp.random_base32()
    with office.work() as work:
        account = work.session.get_one(Account, key)
        account.totp_sealed = work.keyring.seal(secret.encode(), f"totp:{key}".encode())
        account.totp_confirmed_at = work.now
        work.session.flush()
        codes = factors.new_recovery_codes(work, Actor(Role.OWNER, key))
    return pyotp.TOTP(secret), codes


def test_somebody_signs_up_confirms_and_is_signed_in(site: Site, office: Office) -> None:
    visitor = site.anonymous()
    form = {"name": "Mei Chen", "email": EMAIL.upper(), "password": PASSWORD}
    assert visitor.post("/sign-up", form).headers["location"] == "/sign-up/sent"
    assert "UNCONFIRMED" not in sign_in(visitor).text
    assert not is_in(visitor)
    path = f"/confirm-email/{token_of(office, 'confirm-email')}"
    assert visitor.get(path).status_code == 200
    assert visitor.post(path, {"password": "not the password"}).status_code == 422
    assert visitor.post(path, {"password": PASSWORD}).status_code == 303
    assert is_in(visitor)
    assert visitor.get(path).status_code == 404
    assert site.anonymous().post(path, {"password": PASSWORD}).status_code == 404


def test_a_weak_password_is_refused_with_the_reason(site: Site, office: Office) -> None:
    visitor = site.anonymous()
    for password, reason in (
        ("short", "at least 12"),
        ("password1234", "easily guessed"),
        ("mei.chen@harbour.com.au", "easily guessed"),
        ("x9" * 65, "at most 128"),
    ):
        page = visitor.post("/sign-up", {"name": "Mei Chen", "email": EMAIL, "password": password})
        assert page.status_code == 422
        assert reason in page.text
        assert password not in page.text or password == EMAIL
    with office.reading() as work:
        assert work.session.scalars(select(Account)).all() == []


def test_nobody_learns_whether_an_address_has_an_account(
    site: Site, office: Office, owner: int
) -> None:
    for path, form in (
        ("/sign-up", {"name": "Mei Chen", "password": PASSWORD}),
        ("/forgotten-password", {}),
        ("/sign-in", {"password": "not the password"}),
    ):
        answers = []
        for email in (EMAIL, f"nobody.{path[1:5]}@harbour.com.au"):
            answer = site.anonymous().post(path, {**form, "email": email})
            text = re.sub('csrf_token" value="[^"]*"', "", answer.text.replace(email, ""))
            answers.append((answer.status_code, answer.headers.get("location"), text))
        assert answers[0] == answers[1], path
    assert [order["account"] for order in orders(office, "account-exists")] == [owner]
    assert [order["account"] for order in orders(office, "reset-password")] == [owner]


def test_an_unknown_address_costs_the_same_work(
    site: Site, owner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    real = passwords._HASHER.verify

    def verify(kept: str, password: str) -> bool:
        verified.append(kept.rpartition("$")[0].rpartition("$")[0])
        return real(kept, password)

    monkeypatch.setattr(passwords, "_HASHER", Recorder(passwords._HASHER, verify))
    for email in (EMAIL, "nobody.at.all@harbour.com.au", "not an address"):
        sign_in(site.anonymous(), "not the password", email)
    assert len(verified) == 3
    assert len(set(verified)) == 1, "the same parameters"


class Recorder:
    def __init__(self, real: Any, verify: Any) -> None:
        self._real = real
        self.verify = verify

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_second_sign_up_tells_the_owner_at_most_once_an_hour(
    site: Site, office: Office, owner: int, clock: Clock
) -> None:
    form = {"name": "Mallory", "email": EMAIL, "password": "meadow lantern cobalt fiddle"}
    for _ in range(3):
        site.anonymous().post("/sign-up", form)
    assert len(orders(office, "account-exists")) == 1
    clock.advance(hours=1)
    site.anonymous().post("/sign-up", form)
    assert len(orders(office, "account-exists")) == 2
    assert account_of(office, owner).name != "Mallory"


def test_nobody_confirms_an_account_that_another_made_with_his_address(
    site: Site, office: Office
) -> None:
    stranger = {"name": "Mallory", "email": EMAIL, "password": "meadow lantern cobalt fiddle"}
    site.anonymous().post("/sign-up", stranger)
    victim = site.anonymous()
    path = f"/confirm-email/{token_of(office, 'confirm-email')}"
    assert victim.post(path, {"password": PASSWORD}).status_code == 422
    victim.post("/forgotten-password", {"email": EMAIL})
    path = f"/reset-password/{token_of(office, 'reset-password')}"
    assert victim.post(path, {"password": PASSWORD}).headers["location"] == "/sign-in"
    assert sign_in(victim).status_code == 303
    assert is_in(victim)
    assert sign_in(site.anonymous(), stranger["password"]).status_code == 422


def test_an_account_without_password_is_not_open_to_an_empty_one(
    site: Site, office: Office
) -> None:
    key = add_account(office)
    email = account_of(office, key).email
    assert sign_in(site.anonymous(), "", email).status_code == 422
    assert sign_in(site.anonymous(), "nobody has this password", email).status_code == 422


def test_one_goes_back_to_where_one_wanted_to_go_but_not_elsewhere(site: Site, owner: int) -> None:
    visitor = site.anonymous()
    going = visitor.get("/account/tokens?after=3").headers["location"]
    assert going == "/sign-in?next=%2Faccount%2Ftokens%3Fafter%3D3"
    assert 'value="/account/tokens?after=3"' in visitor.get(going).text
    assert (
        sign_in(visitor, next="/account/tokens?after=3").headers["location"]
        == "/account/tokens?after=3"
    )
    for evil in (
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\n/evil",
    ):
        assert sign_in(site.anonymous(), next=evil).headers["location"] == "/servers"


def test_a_session_gets_a_new_cookie_when_it_may_do_more(
    site: Site, office: Office, owner: int
) -> None:
    totp, _ = set_up_totp(office, owner)
    visitor = site.anonymous()
    visitor.get("/sign-in")
    cookies = [visitor.cookie]
    sign_in(visitor)
    cookies.append(visitor.cookie)
    visitor.post("/sign-in/factor", {"code": totp.at(office.clock())})
    cookies.append(visitor.cookie)
    office.clock.advance(minutes=11)  # type: ignore[attr-defined]
    visitor.post("/account/prove", {"code": totp.at(office.clock()), "next": "/account"})
    cookies.append(visitor.cookie)
    assert is_in(visitor)
    assert len(set(cookies)) == 4
    for old in cookies[:3]:
        thief = site.anonymous()
        thief.take_cookie(old)
        assert not is_in(thief)
        assert thief.get("/sign-in/factor").status_code == 303


def test_a_planted_cookie_is_not_taken_over_at_sign_in(site: Site, owner: int) -> None:
    planted = sessions.new_cookie()
    victim, thief = site.anonymous(), site.anonymous()
    for visitor in (victim, thief):
        visitor.take_cookie(planted)
    sign_in(victim)
    assert is_in(victim)
    assert victim.cookie != planted
    assert not is_in(thief)


def test_a_session_ends_when_idle_when_old_and_when_signed_out(
    site: Site, owner: int, clock: Clock
) -> None:
    visitor = site.anonymous()
    sign_in(visitor)
    clock.advance(minutes=29)
    assert is_in(visitor)
    clock.advance(minutes=31)
    assert not is_in(visitor)

    sign_in(visitor)
    for _ in range(30):
        clock.advance(minutes=25)
        is_in(visitor)
    assert not is_in(visitor), "twelve hours are the longest"

    sign_in(visitor)
    cookie = visitor.cookie
    visitor.post("/sign-out")
    assert not is_in(visitor)
    visitor.take_cookie(cookie)
    assert not is_in(visitor)


def test_the_use_of_a_session_is_written_down_once_a_minute(
    site: Site, office: Office, clock: Clock
) -> None:
    visitor = site.visitor()

    def last_seen() -> datetime.datetime:
        with office.reading() as work:
            return work.session.scalars(select(WebSession.last_seen_at)).one()

    begin = last_seen()
    for seconds, expected in ((30, 0), (29, 0), (1, 60), (59, 60), (1, 120)):
        clock.advance(seconds=seconds)
        visitor.get("/account")
        assert last_seen() - begin == datetime.timedelta(seconds=expected)


def test_the_database_has_no_cookie_and_no_token(site: Site, office: Office, owner: int) -> None:
    visitor = site.anonymous()
    sign_in(visitor)
    visitor.post("/forgotten-password", {"email": EMAIL})
    token = token_of(office, "reset-password")
    with office.reading() as work:
        kept = [row.digest for row in work.session.scalars(select(WebSession))]
        kept += [row.digest for row in work.session.scalars(select(OneTimeToken))]
    assert visitor.cookie not in kept
    assert token not in kept
    assert token not in str(orders(office, "reset-password"))


def test_too_many_failures_lock_an_account_for_a_while(
    site: Site, office: Office, owner: int, clock: Clock
) -> None:
    for _ in range(5):
        assert sign_in(site.anonymous(), "not the password").status_code == 422
    assert len(orders(office, "account-locked")) == 1
    locked = sign_in(site.anonymous())
    assert locked.status_code == 422
    assert locked.text.count("too many attempts") == 1
    clock.advance(minutes=15)
    assert sign_in(site.anonymous()).status_code == 303
    assert account_of(office, owner).failures == 0


def test_as_many_requests_at_once_as_one_likes_make_no_more_guesses(
    office: Office, owner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses: list[str] = []
    all_in = threading.Barrier(5)

    def verify(kept: str, _password: str) -> bool:
        guesses.append(kept)
        if kept:
            # Nobody is told before five are under way.
            all_in.wait(30)
        return False

    monkeypatch.setattr(passwords, "verify", verify)
    with ThreadPoolExecutor(12) as pool:
        results = [
            pool.submit(by_password, office, EMAIL, f"guess {number}") for number in range(12)
        ]
        assert {one.result().outcome for one in results} == {Outcome.FAILED}
    assert guesses.count(HASH) == 5
    assert len(orders(office, "account-locked")) == 1


def test_a_lock_does_not_stop_a_browser_that_is_known(
    site: Site, office: Office, owner: int
) -> None:
    victim = site.anonymous()
    sign_in(victim)
    victim.post("/sign-out")
    for _ in range(6):
        sign_in(site.anonymous(), "not the password")
    assert sign_in(site.anonymous()).status_code == 422
    assert sign_in(victim).status_code == 303
    assert is_in(victim)


def test_a_known_browser_has_no_more_guesses_than_another(site: Site, owner: int) -> None:
    visitor = site.anonymous()
    sign_in(visitor)
    visitor.post("/sign-out")
    for _ in range(12):
        sign_in(visitor, "not the password")
    assert sign_in(visitor).status_code == 422


def test_a_browser_is_not_known_after_the_password_has_changed(
    site: Site, office: Office, owner: int
) -> None:
    victim = site.anonymous()
    sign_in(victim)
    victim.post("/sign-out")
    new = "meadow lantern cobalt fiddle"
    with office.work() as work:
        work.session.get_one(Account, owner).password_hash = passwords.hash_password(new)
    for _ in range(5):
        sign_in(site.anonymous(), "not the password")
    assert sign_in(victim, new).status_code == 422


def test_a_second_factor_is_too_late_when_the_password_has_changed(
    site: Site, office: Office, owner: int
) -> None:
    totp, _ = set_up_totp(office, owner)
    thief = site.anonymous()
    assert sign_in(thief).headers["location"] == "/sign-in/factor"
    site.anonymous().post("/forgotten-password", {"email": EMAIL})
    new = "meadow lantern cobalt fiddle"
    path = f"/reset-password/{token_of(office, 'reset-password')}"
    site.anonymous().post(path, {"password": new})
    answer = thief.post("/sign-in/factor", {"code": totp.at(office.clock())})
    assert answer.headers["location"] == "/sign-in"
    assert not is_in(thief)


def test_a_link_to_reset_the_password_lifts_a_lock(site: Site, office: Office, owner: int) -> None:
    for _ in range(5):
        sign_in(site.anonymous(), "not the password")
    victim = site.anonymous()
    victim.post("/forgotten-password", {"email": EMAIL})
    new = "meadow lantern cobalt fiddle"
    victim.post(f"/reset-password/{token_of(office, 'reset-password')}", {"password": new})
    assert sign_in(victim, new).status_code == 303


def test_an_address_that_guesses_at_many_accounts_must_wait(site: Site, owner: int) -> None:
    for number in range(30):
        sign_in(site.anonymous(), "not the password", f"person{number}@harbour.com.au")
    assert sign_in(site.anonymous()).status_code == 429


def test_a_reset_ends_all_sessions_and_works_once_within_the_hour(
    site: Site, office: Office, owner: int, clock: Clock
) -> None:
    signed_in, other = site.anonymous(), site.anonymous()
    sign_in(signed_in)
    other.post("/forgotten-password", {"email": EMAIL})
    path = f"/reset-password/{token_of(office, 'reset-password')}"
    assert other.get(path).status_code == 200
    assert other.get(path).status_code == 200, "looking changes nothing"
    weak = other.post(path, {"password": "password1234"})
    assert weak.status_code == 422
    assert other.post(path, {"password": "meadow lantern cobalt fiddle"}).status_code == 303
    assert not is_in(signed_in)
    assert other.post(path, {"password": PASSWORD}).status_code == 404
    assert len(orders(office, "password-changed")) == 1

    other.post("/forgotten-password", {"email": EMAIL})
    late = f"/reset-password/{token_of(office, 'reset-password')}"
    clock.advance(minutes=61)
    assert other.post(late, {"password": PASSWORD}).status_code == 404


def test_a_new_link_voids_the_earlier_and_there_are_three_an_hour(
    site: Site, office: Office, owner: int
) -> None:
    visitor = site.anonymous()
    visitor.post("/forgotten-password", {"email": EMAIL})
    first = token_of(office, "reset-password")
    for _ in range(5):
        visitor.post("/forgotten-password", {"email": EMAIL})
    assert len(orders(office, "reset-password")) == 3
    assert visitor.get(f"/reset-password/{first}").status_code == 404


def test_a_link_is_good_for_its_own_purpose_only(site: Site, office: Office, owner: int) -> None:
    visitor = site.anonymous()
    visitor.post("/forgotten-password", {"email": EMAIL})
    token = token_of(office, "reset-password")
    for path in ("/confirm-email", "/invitation"):
        assert visitor.get(f"{path}/{token}").status_code == 404


def test_an_outdated_hash_is_made_anew(site: Site, office: Office, owner: int) -> None:
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    with office.work() as work:
        work.session.get_one(Account, owner).password_hash = old
    assert sign_in(site.anonymous()).status_code == 303
    new = account_of(office, owner).password_hash
    assert new != old
    assert not passwords.is_outdated(new)
    assert sign_in(site.anonymous()).status_code == 303


def test_a_disabled_account_is_out_at_once(site: Site, office: Office, owner: int) -> None:
    visitor = site.anonymous()
    sign_in(visitor)
    with office.work() as work:
        work.session.get_one(Account, owner).disabled_at = work.now
    assert not is_in(visitor)
    assert sign_in(visitor).status_code == 422


def test_a_code_of_the_authenticator_counts_once(
    site: Site, office: Office, owner: int, clock: Clock
) -> None:
    totp, _ = set_up_totp(office, owner)
    code = totp.at(clock())
    first, second = site.anonymous(), site.anonymous()
    for visitor in (first, second):
        assert sign_in(visitor).headers["location"] == "/sign-in/factor"
        assert not is_in(visitor)
    assert first.post("/sign-in/factor", {"code": code}).status_code == 303
    assert is_in(first)
    assert second.post("/sign-in/factor", {"code": code}).status_code == 422
    clock.advance(seconds=30)
    older = totp.at(clock() - datetime.timedelta(seconds=30))
    assert second.post("/sign-in/factor", {"code": older}).status_code == 422
    assert (
        second.post(
            "/sign-in/factor", {"code": f" {totp.at(clock())[:3]} {totp.at(clock())[3:]}"}
        ).status_code
        == 303
    )


def test_a_clock_may_be_off_by_one_step(
    site: Site, office: Office, owner: int, clock: Clock
) -> None:
    totp, _ = set_up_totp(office, owner)
    for offset, status in ((-60, 422), (60, 422), (-30, 303), (30, 303)):
        visitor = site.anonymous()
        sign_in(visitor)
        code = totp.at(clock() + datetime.timedelta(seconds=offset))
        assert visitor.post("/sign-in/factor", {"code": code}).status_code == status


def test_guessing_at_the_second_factor_locks_the_account(
    site: Site, office: Office, owner: int
) -> None:
    set_up_totp(office, owner)
    visitor = site.anonymous()
    for _ in range(5):
        # The password is right each time: that must not set the count back.
        sign_in(visitor)
        visitor.post("/sign-in/factor", {"code": "000000"})
    assert len(orders(office, "account-locked")) == 1
    visitor = site.anonymous()
    assert sign_in(visitor).status_code == 422


def test_a_recovery_code_stands_in_once(site: Site, office: Office, owner: int) -> None:
    _, codes = set_up_totp(office, owner)
    for status in (303, 422):
        visitor = site.anonymous()
        sign_in(visitor)
        answer = visitor.post("/sign-in/factor", {"code": codes[0].upper()})
        assert answer.status_code == status
    assert len(orders(office, "recovery-code-used")) == 1
    with office.reading() as work:
        assert factors.recovery_codes_left(work, owner) == 9


def test_the_second_factor_is_asked_within_ten_minutes_of_the_password(
    site: Site, office: Office, owner: int, clock: Clock
) -> None:
    totp, _ = set_up_totp(office, owner)
    visitor = site.anonymous()
    sign_in(visitor)
    clock.advance(minutes=11)
    answer = visitor.post("/sign-in/factor", {"code": totp.at(clock())})
    assert answer.headers["location"] == "/sign-in"
    assert not is_in(visitor)
