"""A user's own page: what was sent, what is left, why it is locked, who tried to get in."""

from __future__ import annotations

import re

import httpx
import pytest

from countersign.storage.submission.account_rows import Deed, Privilege
from countersign.storage.submission.tables import Lock, LockReason
from tests.gateway.pages.house import House, Visitor


async def _page(house: House, user: str = "mei") -> str:
    """Return the words of a user's page, without tags."""
    visitor = house.visitor()
    await visitor.sign_in(user)
    return words((await visitor.get("/")).text)


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_a_user_sees_what_was_sent_and_what_is_left(house: House) -> None:
    await house.sent("mei", 40, hours_ago=5.5)
    await house.sent("mei", 2)
    page = await _page(house)
    assert "Can send" in page
    assert "Recipients in 24 hours 42" in page
    assert "Left 258 of 300 in any 24 hours" in page
    assert "Recipients in one message 50 at most" in page
    assert "highest 40" in page
    assert "When recipients stop counting" in page
    assert "Yes" not in page


async def test_the_chart_has_its_figures_in_words_and_as_a_table(house: House) -> None:
    await house.sent("mei", 40, hours_ago=5.5)
    visitor = house.visitor()
    await visitor.sign_in("mei")
    page = (await visitor.get("/")).text
    assert re.search(r'<svg[^>]* role="img" aria-labelledby="[^"]+-title [^"]+-text"', page)
    assert re.search(r"<desc[^>]*>24 values from .* highest 40 ", page)
    assert len(re.findall(r'<tr><th scope="row">\d\d:\d\d</th>', page)) == 24


async def test_a_user_sees_the_messages_of_his_own_and_from_where_they_were_sent(
    house: House,
) -> None:
    for number in range(24, 0, -1):
        await house.sent("mei", 1, hours_ago=number / 10)
    await house.sent("olaf", 33)
    [newest] = (await house.journal.of_user("mei", 0, house.clock()))[:1]
    await house.journal.refused(newest.id, house.clock())
    visitor = house.visitor()
    await visitor.sign_in("mei")
    page = (await visitor.get("/")).text
    entries = await house.journal.of_user("mei", 0, house.clock())
    shown = re.findall(r"<code>([a-z2-7]{26})</code>", page)
    assert len(shown) == 20
    assert set(shown) <= {one.id for one in entries}
    assert "198.51.100.7" in page


async def test_a_message_that_the_mta_refused_later_is_marked(house: House) -> None:
    await house.sent("mei", 3)
    [entry] = await house.journal.of_user("mei", 0, house.clock())
    await house.journal.refused(entry.id, house.clock())
    assert "Refused later" in await _page(house)


async def test_a_locked_user_is_told_why_and_what_to_do(house: House) -> None:
    await house.sent("mei", 290, hours_ago=1)
    await house.tables.reserve("mei", 45, 300, house.clock())
    page = await _page(house)
    assert "Locked" in page
    assert "It had sent to 290 recipients in 24 hours, and 45 more" in page
    assert "its limit of 300" in page
    assert "change it now" in page
    assert "ask help@harbour.example to unlock" in page
    assert "until the administrator unlocks it" in page
    assert "Left None while the account is locked" in page


async def test_a_user_locked_by_the_administrator_does_not_read_what_is_recorded(
    house: House,
) -> None:
    lock = Lock("mei", LockReason.ADMINISTRATOR, house.clock(), words="Known offender")
    await house.tables.lock(lock)
    page = await _page(house)
    assert "Your mail administrator has locked it. Ask help@harbour.example." in page
    assert "offender" not in page
    assert "recipients in 24 hours, and" not in page


async def test_who_has_reached_the_limit_is_told_when_more_can_be_sent(house: House) -> None:
    await house.sent("mei", 300, hours_ago=20)
    page = await _page(house)
    assert "Your limit is reached." in page
    assert "You can send again from" in page


async def test_a_victim_sees_an_attack_on_the_account(house: House) -> None:
    await house.failed("mei", "203.0.113.77", 3)
    await house.failed("olaf", "203.0.113.88", 2)
    page = await _page(house)
    assert "Failed sign-ins in 24 hours 3" in page
    assert re.search(r"203\.0\.113\.77 3 since \d+ \w+ \d{4}, \d\d:\d\d UTC Wrong password", page)
    assert "203.0.113.88" not in page


async def test_a_privileged_user_has_no_limit_and_no_name_on_messages(house: House) -> None:
    privilege = Privilege("random", "2026-03-31", "1")
    await house.accounts.grant("mei", privilege, Deed("test", house.clock()))
    await house.sent("mei", 30)
    page = await _page(house)
    assert "Left No limit" in page
    assert "Privileged Yes" in page
    assert "Your name on messages No" in page


async def test_limits_and_stamping_of_a_users_own_are_shown(house: House) -> None:
    deed = Deed("test", house.clock())
    await house.accounts.set_limits("mei", 7, 70, deed)
    await house.accounts.set_stamping("mei", True, deed)
    page = await _page(house)
    assert "Left 70 of 70" in page
    assert "Recipients in one message 7 at most" in page
    assert "Your name on messages Yes" in page


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", '"><img/src=x/onerror=alert(1)>', "a&b<b>", "{{7*7}}", "josé's"],
)
async def test_a_name_is_text_wherever_it_is_shown(house: House, name: str) -> None:
    await house.user(name, administrator=True)
    await house.sent(name, 20)
    await house.failed(name, name)
    await house.tables.lock(Lock(name, LockReason.ADMINISTRATOR, house.clock(), words=name))
    own, olaf = house.visitor(), house.visitor()
    await own.sign_in(name)
    await olaf.sign_in("olaf")
    paths = ("/administrator", "/administrator/sign-ins", "/administrator/records")
    pages = [await one.get(path) for one in (own, olaf) for path in paths]
    pages.append(await own.get("/"))
    unlocked = await _unlock(olaf, name)
    for page in (*pages, unlocked):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "<b>" not in page.text
        assert ">49<" not in page.text
    assert await house.tables.lock_of(name) is None


async def _unlock(visitor: Visitor, user: str) -> httpx.Response:
    """Send the form that is on the page, as a browser does."""
    return await visitor.post(
        "/administrator/unlock", {"user": user}, seen_at="/administrator", follow_redirects=True
    )
