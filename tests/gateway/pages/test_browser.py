"""A walk through the pages with Chromium: what a user sees, a lock, and how it is lifted."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.gateway.pages.house import PASSWORD, House

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)
_FOLDER = os.environ.get("COUNTERSIGN_SCREENSHOTS", "")

pytestmark = pytest.mark.slow

_FACTS = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const labelled = new Set([...document.querySelectorAll("label")].map((one) => one.htmlFor));
  const fields = [...document.querySelectorAll("input:not([type=hidden])")];
  return {
    headings: document.querySelectorAll("h1").length,
    doubled: ids.filter((one, at) => ids.indexOf(one) !== at),
    unlabelled: fields.filter((one) => !labelled.has(one.id)).map((one) => one.name),
    tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    columns: [...document.querySelectorAll("thead th")].filter((one) => one.scope !== "col").length,
  };
}"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium")
    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        made = await playwright.chromium.launch(executable_path=path, args=options)
        yield made
        await made.close()


@dataclass
class Person:
    """Somebody at a browser. Each page that they come to is looked at."""

    house: House
    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, browser: Browser, house: House, **looks: Any) -> Person:
        context = await browser.new_context(viewport=DESKTOP, **looks)
        person = cls(house, await context.new_page())
        person.page.on("console", lambda message: person.complaints.append(message.text))
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        return person

    async def go(self, path: str) -> None:
        await self.page.goto(self.house.url + path)
        await self.look()

    async def sign_in(self, user: str) -> None:
        await self.go("/sign-in")
        await self.page.get_by_label("User name").fill(user)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(f"{self.house.url}/")
        await self.look()

    async def look(self) -> None:
        """Assert that the page is as each page should be, on a screen and on a phone."""
        for size in (PHONE, DESKTOP):
            await self.page.set_viewport_size(size)
            facts = await self.page.evaluate(_FACTS)
            assert facts["headings"] == 1, self.page.url
            assert facts["doubled"] == [], self.page.url
            assert facts["unlabelled"] == [], self.page.url
            assert facts["tooWide"] <= 0, (self.page.url, size)
            assert facts["columns"] == 0, self.page.url
        assert self.complaints == [], self.page.url

    async def picture(self, name: str) -> None:
        """Take pictures, where they are wanted: light and dark, wide and on a phone."""
        if not _FOLDER:
            return
        folder = Path(_FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        for size, width in ((DESKTOP, ""), (PHONE, "-phone")):
            await self.page.set_viewport_size(size)
            await self._take(folder / f"{name}{width}.png")
        await self.page.set_viewport_size(DESKTOP)
        await self.page.emulate_media(color_scheme="dark")
        await self._take(folder / f"{name}-dark.png")
        await self.page.emulate_media(color_scheme="light")

    async def _take(self, file: Path) -> None:
        await self.page.screenshot(path=file, full_page=True, animations="disabled")


async def _a_day(house: House) -> None:
    """Let users send, and somebody guess passwords."""
    # Time does not go back: the oldest first.
    for number, recipients in enumerate((3, 0, 0, 12, 40, 25, 7, 0, 18, 60, 30, 5)):
        if recipients:
            await house.sent("mei", recipients, hours_ago=22 - number * 1.7)
    for number, user in enumerate(("nina", "paul", "a-long-name-of-a-user@harbour.example", "li")):
        await house.sent(user, 250 - 70 * number)
    await house.failed("mei", "203.0.113.77", 12)
    await house.failed("root", "2001:db8:5:6::/64", 4)


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_user_is_locked_and_the_administrator_lifts_it(
    house: House, browser: Browser, scripts: bool
) -> None:
    await _a_day(house)
    mei = await Person.at(browser, house, java_script_enabled=scripts)
    olaf = await Person.at(browser, house, java_script_enabled=scripts)
    await mei.go("/")
    if scripts:
        await mei.picture("sign-in")
    await mei.sign_in("mei")
    chart = mei.page.get_by_role("img", name="Recipients by hour")
    assert await chart.is_visible()
    assert await chart.locator("rect.bar").count() > 5
    assert await mei.page.get_by_text("Can send").is_visible()
    if scripts:
        await mei.picture("account")

    await house.tables.reserve("mei", 150, 300, house.clock())
    await mei.page.reload()
    await mei.look()
    assert await mei.page.get_by_role("alert").get_by_text("cannot send mail since").is_visible()
    if scripts:
        await mei.picture("locked")

    await olaf.sign_in("olaf")
    await olaf.page.get_by_role("link", name="Senders and locks").click()
    await olaf.look()
    if scripts:
        await olaf.picture("senders")
    await olaf.page.get_by_text("Unlock mei").first.click()
    await olaf.page.get_by_label("Why it is unlocked").fill("Has a new password")
    await olaf.look()
    await olaf.page.get_by_role("button", name="Unlock mei").click()
    await olaf.page.get_by_text("mei may send again.").wait_for()
    await olaf.look()
    for name in ("Failed sign-ins", "Privileges and journal"):
        await olaf.page.get_by_role("link", name=name).click()
        await olaf.look()
        if scripts:
            await olaf.picture(name.lower().replace(" ", "-"))

    await mei.page.reload()
    assert await mei.page.get_by_text("Can send").is_visible()
    await mei.page.get_by_role("button", name="mei").click()
    await mei.page.get_by_role("button", name="Sign out").click()
    await mei.page.wait_for_url("**/sign-in")


async def test_top_senders_are_renewed_by_themselves(house: House, browser: Browser) -> None:
    olaf = await Person.at(browser, house)
    await olaf.sign_in("olaf")
    await olaf.go("/administrator")
    assert await olaf.page.get_by_text("Nobody has sent anything").is_visible()
    await house.sent("nina", 30)
    # As its own timer does, without the wait.
    await olaf.page.evaluate(
        "htmx.ajax('GET', '/administrator',"
        " {source: '#senders', target: '#senders', select: '#senders', swap: 'outerHTML'})"
    )
    await olaf.page.get_by_role("rowheader", name="nina").wait_for()
    await olaf.look()
    assert await olaf.page.locator("#senders").get_attribute("hx-trigger") == "every 30s"
