"""Signing in with the mail password, and all that ends a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.gateway.pages.sessions import MAX_OF_USER
from countersign.gateway.submission.passwords import make_credentials
from countersign.storage.submission.account_rows import Deed
from tests.gateway.pages.house import PASSWORD, House, Visitor, make_house

COOKIE = "countersign-pages"


async def is_signed_in(visitor: Visitor) -> bool:
    return (await visitor.get("/")).status_code == 200


async def test_a_user_signs_in_and_out(house: House) -> None:
    mei = house.visitor()
    assert not await is_signed_in(mei)
    await mei.sign_in("mei")
    page = await mei.get("/")
    assert page.status_code == 200
    assert "mei" in page.text
    cookie = mei.client.cookies[COOKIE]
    await mei.post("/sign-out", {})
    assert not await is_signed_in(mei)
    thief = house.visitor()
    thief.client.cookies.set(COOKIE, cookie)
    assert not await is_signed_in(thief)


async def test_the_name_is_taken_in_any_case_and_shown_as_it_is_counted(house: House) -> None:
    mei = house.visitor()
    await mei.sign_in(" MEI ")
    assert "<h1>mei " in (await mei.get("/")).text


async def test_the_cookie_is_kept_from_scripts_and_other_sites(house: House) -> None:
    answer = await house.visitor().sign_in("mei")
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    assert "Path=/" in said
    # By http, from this very machine.
    assert "Secure" not in said


async def test_a_cookie_that_somebody_put_into_the_browser_opens_nothing(house: House) -> None:
    mei, thief = house.visitor(), house.visitor()
    await mei.get("/sign-in")
    planted = mei.client.cookies[COOKIE]
    thief.client.cookies.set(COOKIE, planted)
    await mei.sign_in("mei")
    assert mei.client.cookies[COOKIE] != planted
    assert await is_signed_in(mei)
    assert not await is_signed_in(thief)


@pytest.mark.parametrize("cookie", ["", "x", "A" * 44, "A" * 4000, "A" * 42 + "é"])
async def test_a_cookie_of_another_form_is_replaced(house: House, cookie: str) -> None:
    answer = await house.visitor().get(
        "/sign-in", headers={b"Cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    )
    assert answer.status_code == 200
    assert COOKIE in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("user", "password"),
    [("mei", "wrong"), ("nobody", "wrong"), ("", "x"), ("mei", ""), ("m" * 300, "x"), ("a b", "x")],
)
async def test_who_does_not_know_the_password_learns_nothing(
    house: House, user: str, password: str
) -> None:
    answer = await house.visitor().sign_in(user, password)
    assert answer.status_code == 401
    assert "not the name and password of a user" in answer.text
    # It may be a password, typed into the wrong field.
    assert f'value="{user}"' not in answer.text or not user


async def test_after_some_failures_no_password_is_looked_at(house: House) -> None:
    visitor = house.visitor()
    for _ in range(house.config.sign_in.failures_of_account_there):
        assert (await visitor.sign_in("mei", "wrong")).status_code == 401
    limited = await visitor.sign_in("mei", PASSWORD)
    assert limited.status_code == 429
    assert "your password has not been looked at" in limited.text
    assert not await is_signed_in(visitor)
    # Nobody else is kept out.
    assert (await visitor.sign_in("olaf")).status_code == 303


async def test_failures_are_those_that_mail_programs_count_too(house: House) -> None:
    await house.failed("mei", "127.0.0.1", house.config.sign_in.failures_of_account_there)
    assert (await house.visitor().sign_in("mei")).status_code == 429


async def test_a_source_that_is_away_is_not_a_wrong_password(tmp_path: Path) -> None:
    made = make_house(
        tmp_path,
        sign_in={"source": "dovecot", "dovecot": {"socket": str(tmp_path / "none"), "timeout": 2}},
    )
    async with made.open() as house:
        answer = await house.visitor().sign_in("mei")
        assert answer.status_code == 503
        assert "cannot be checked at present" in answer.text


async def test_a_session_ends_after_its_time(house: House) -> None:
    mei = house.visitor()
    await mei.sign_in("mei")
    house.clock.ahead = house.config.pages.session_seconds - 5
    assert await is_signed_in(mei)
    house.clock.ahead = house.config.pages.session_seconds + 5
    assert not await is_signed_in(mei)


async def test_a_session_lasts_no_longer_than_a_sign_in_of_a_mail_program(tmp_path: Path) -> None:
    made = make_house(tmp_path, sign_in={"lapse_seconds": 600}, pages={"session_seconds": 3600})
    async with made.open() as house:
        await house.user("mei")
        mei = house.visitor()
        await mei.sign_in("mei")
        house.clock.ahead = 595
        assert await is_signed_in(mei)
        house.clock.ahead = 605
        assert not await is_signed_in(mei)


async def test_another_password_ends_the_sessions_of_the_old_one(house: House) -> None:
    mei = house.visitor()
    await mei.sign_in("mei")
    new = make_credentials("another wooden boat", 4096)
    await house.accounts.set_password("mei", new, Deed("test", house.clock()))
    assert not await is_signed_in(mei)


async def test_a_user_who_is_disabled_or_removed_is_signed_out(house: House) -> None:
    mei, olaf = house.visitor(), house.visitor()
    await mei.sign_in("mei")
    await olaf.sign_in("olaf")
    await house.accounts.set_disabled("mei", True, Deed("test", house.clock()))
    await house.accounts.remove("olaf", Deed("test", house.clock()))
    assert not await is_signed_in(mei)
    assert not await is_signed_in(olaf)


async def test_one_session_too_many_ends_the_oldest(house: House) -> None:
    visitors = [house.visitor() for _ in range(MAX_OF_USER + 1)]
    for visitor in visitors:
        await visitor.sign_in("mei")
    assert [await is_signed_in(one) for one in visitors] == [False, *[True] * MAX_OF_USER]


async def test_who_has_signed_in_need_not_do_it_again(house: House) -> None:
    mei = house.visitor()
    await mei.sign_in("mei")
    assert (await mei.get("/sign-in")).headers["location"] == "/"
