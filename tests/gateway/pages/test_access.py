"""Who may use which page: all of them, asked for as everybody."""

from __future__ import annotations

import pytest
from httpx import Response

from countersign.gateway.pages.app import all_pages
from countersign.gateway.pages.routing import Allow
from countersign.storage.submission.account_rows import Deed
from countersign.storage.submission.tables import Lock, LockReason
from tests.gateway.pages.house import House, Visitor

RULES = {
    ("GET", "/sign-in"): Allow.ANYBODY,
    ("POST", "/sign-in"): Allow.ANYBODY,
    ("POST", "/sign-out"): Allow.USER,
    ("GET", "/"): Allow.USER,
    ("GET", "/administrator"): Allow.ADMINISTRATOR,
    ("POST", "/administrator/unlock"): Allow.ADMINISTRATOR,
    ("GET", "/administrator/sign-ins"): Allow.ADMINISTRATOR,
    ("GET", "/administrator/records"): Allow.ADMINISTRATOR,
}
"""Written here a second time: a new page must say in two places who may come."""
FORMS = {"/administrator/unlock": {"user": "nobody"}}


async def ask(visitor: Visitor, method: str, path: str) -> Response:
    if method == "GET":
        return await visitor.get(path)
    return await visitor.post(path, FORMS.get(path, {}))


def outcome(answer: Response) -> str:
    if answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"):
        return "signed-out"
    if answer.status_code == 403:
        return "refused"
    assert answer.status_code < 500, answer.text
    return "allowed"


def test_each_page_has_the_rule_of_the_table() -> None:
    assert {(page.method, page.path): page.allow for page in all_pages()} == RULES


@pytest.mark.parametrize(("method", "path"), RULES)
async def test_a_page_is_open_to_those_who_may_and_nobody_else(
    house: House, method: str, path: str
) -> None:
    allow = RULES[method, path]
    somebody, user, administrator = (house.visitor() for _ in range(3))
    await user.sign_in("mei")
    await administrator.sign_in("olaf")
    may = {
        Allow.ANYBODY: ("allowed", "allowed", "allowed"),
        Allow.USER: ("signed-out", "allowed", "allowed"),
        Allow.ADMINISTRATOR: ("signed-out", "refused", "allowed"),
    }[allow]
    if path == "/sign-out":
        may = ("signed-out", "signed-out", "signed-out")
    found = [outcome(await ask(one, method, path)) for one in (somebody, user, administrator)]
    assert tuple(found) == may


async def test_nobody_unlocks_without_being_an_administrator(house: House) -> None:
    await house.tables.lock(Lock("nina", LockReason.ADMINISTRATOR, house.clock()))
    for visitor in (house.visitor(), user := house.visitor()):
        if visitor is user:
            await user.sign_in("mei")
        await visitor.post("/administrator/unlock", {"user": "nina"})
    assert await house.tables.lock_of("nina") is not None


async def test_an_administrator_who_is_one_no_more_is_refused_at_once(house: House) -> None:
    olaf = house.visitor()
    await olaf.sign_in("olaf")
    assert (await olaf.get("/administrator")).status_code == 200
    await house.accounts.set_administrator("olaf", False, Deed("test", house.clock()))
    assert (await olaf.get("/administrator")).status_code == 403
    assert "/administrator" not in (await olaf.get("/")).text


async def test_after_signing_in_one_comes_to_where_one_was_going(house: House) -> None:
    olaf = house.visitor()
    away = await olaf.get("/administrator/records")
    assert away.headers["location"] == "/sign-in?next=/administrator/records"
    answer = await olaf.sign_in("olaf", going="/administrator/records")
    assert answer.headers["location"] == "/administrator/records"


@pytest.mark.parametrize("going", ["https://evil.example/", "//evil.example", "/x", ""])
async def test_after_signing_in_one_comes_to_no_other_place(house: House, going: str) -> None:
    answer = await house.visitor().sign_in("mei", going=going)
    assert answer.headers["location"] == "/"


async def test_a_part_that_refreshes_itself_sends_the_whole_page_to_the_sign_in(
    house: House,
) -> None:
    answer = await house.visitor().get("/administrator", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"].startswith("/sign-in")


async def test_what_is_not_there_is_not_found_for_everybody(house: House) -> None:
    visitor = house.visitor()
    assert (await visitor.get("/nothing")).status_code == 404
    assert (await visitor.get("/administrator/")).status_code == 404
    assert (await visitor.client.delete("/")).status_code == 405
