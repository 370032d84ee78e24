"""The administrator's pages."""

from __future__ import annotations

import re

import pytest

from countersign.storage.submission.account_rows import Deed, EventKind, Privilege
from countersign.storage.submission.tables import Lock, LockReason
from tests.gateway.pages.house import House, Visitor
from tests.gateway.pages.test_account import words

PATH = "/administrator"


@pytest.fixture
async def olaf(house: House) -> Visitor:
    visitor = house.visitor()
    await visitor.sign_in("olaf")
    return visitor


async def test_who_sends_most_stands_first_with_a_bar_and_the_limit(
    house: House, olaf: Visitor
) -> None:
    await house.sent("mei", 30)
    await house.sent("nina", 250)
    await house.sent("nina", 45)
    await house.accounts.set_limits("paul", None, 5000, Deed("test", house.clock()))
    await house.tables.reserve("paul", 10, 5000, house.clock())
    page = (await olaf.get(PATH)).text
    rows = re.findall(r'<tr role="row">(.*?)</tr>', page[page.index('id="senders"') :], re.DOTALL)
    assert [words(row) for row in rows[1:]] == ["nina 295 300 2", "mei 30 300 1", "paul 10 5,000 1"]
    assert [row.count("meter-mark") for row in rows[1:]] == [1, 1, 0]
    assert "tone-warn" in rows[1]


async def test_a_lock_is_shown_with_its_figures_and_lifted(house: House, olaf: Visitor) -> None:
    await house.sent("mei", 290)
    await house.tables.reserve("mei", 45, 300, house.clock())
    page = words((await olaf.get(PATH)).text)
    assert "Sent in 24 hours 290" in page
    assert "Wanted to send 45" in page
    answer = await olaf.post(
        f"{PATH}/unlock", {"user": "mei", "words": "Has a new password"}, seen_at=PATH
    )
    assert answer.headers["location"] == PATH
    assert await house.tables.lock_of("mei") is None
    # As `countersign users unlock` does: else the next message would lock the account again.
    assert await house.tables.used("mei", house.clock()) == 0
    [event, *_] = await house.accounts.events("mei")
    assert (event.kind, event.by, event.words) == (EventKind.UNLOCKED, "olaf", "Has a new password")
    assert event.details == {"count_kept": False}
    assert "mei may send again." in (await olaf.get(PATH)).text
    assert "mei may send again." not in (await olaf.get(PATH)).text


async def test_the_count_can_be_kept_when_a_lock_is_lifted(house: House, olaf: Visitor) -> None:
    await house.sent("mei", 290)
    await house.tables.reserve("mei", 45, 300, house.clock())
    await olaf.post(f"{PATH}/unlock", {"user": "mei", "count": "keep"}, seen_at=PATH)
    assert await house.tables.used("mei", house.clock()) == 290
    [event, *_] = await house.accounts.events("mei")
    assert event.details == {"count_kept": True}


async def test_what_is_not_locked_is_not_recorded_as_unlocked(house: House, olaf: Visitor) -> None:
    await olaf.post(f"{PATH}/unlock", {"user": "mei"}, seen_at=PATH)
    assert EventKind.UNLOCKED not in [one.kind for one in await house.accounts.events("mei")]
    assert "was not locked any more" in (await olaf.get(PATH)).text


@pytest.mark.parametrize("user", ["olaf", "OLAF "])
async def test_nobody_lifts_the_lock_of_his_own_account(
    house: House, olaf: Visitor, user: str
) -> None:
    await house.tables.lock(Lock("olaf", LockReason.DAILY_LIMIT, house.clock(), 290, 45, 300))
    assert "another administrator" in (await olaf.get(PATH)).text
    answer = await olaf.post(f"{PATH}/unlock", {"user": user}, seen_at=PATH)
    assert answer.status_code == 403
    assert await house.tables.lock_of("olaf") is not None


async def test_what_can_be_no_name_unlocks_nothing(olaf: Visitor) -> None:
    for user in ("", "a b", "x" * 300):
        answer = await olaf.post(f"{PATH}/unlock", {"user": user}, seen_at=PATH)
        assert answer.status_code == 400


async def test_failed_sign_ins_are_shown_by_network_and_by_account(
    house: House, olaf: Visitor
) -> None:
    await house.failed("mei", "203.0.113.77", 3)
    await house.failed("nina", "203.0.113.77", 2)
    page = words((await olaf.get(f"{PATH}/sign-ins")).text)
    assert "5 in the last 24 hours" in page
    assert "203.0.113.77 5 2" in page
    assert "mei 3 1" in page
    assert page.count("Wrong password") == 5


async def test_privileges_orders_and_the_journals_head_are_shown(
    house: House, olaf: Visitor
) -> None:
    privilege = Privilege("random", "2026-03-31", "1")
    await house.accounts.grant("mei", privilege, Deed("olaf", house.clock()))
    await house.sent("mei", 3)
    page = words((await olaf.get(f"{PATH}/records")).text)
    assert "mei 2026-03-31 1 Waits" in page
    assert "Register a privileged user mei" in page
    head = await house.journal.head()
    assert str(head) in page
    # What is to be told to the registrar may be personal.
    assert "random" not in page


async def test_pages_with_nothing_to_show_say_so(olaf: Visitor) -> None:
    assert "No account is locked." in (await olaf.get(PATH)).text
    assert "None in the last 24 hours." in (await olaf.get(f"{PATH}/sign-ins")).text
    records = (await olaf.get(f"{PATH}/records")).text
    assert "Nobody is privileged." in records
    assert "Nothing has been written down yet." in records
