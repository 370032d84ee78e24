"""Somebody at a browser of their own. Each page that they come to is looked at."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pyotp
from playwright.sync_api import Browser, BrowserContext, Download, Locator, Page, Request

from tests.registrar.browser.album import DESKTOP, Album
from tests.registrar.browser.town import PASSWORD, Town

_PATIENCE_MS = 30_000
_TEST_SECONDS = 90
_STEP_SECONDS = 30

_FACTS = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  return {
    status: performance.getEntriesByType("navigation")[0].responseStatus,
    language: document.documentElement.lang,
    title: document.title,
    headings: document.querySelectorAll("h1").length,
    doubled: ids.filter((one, at) => ids.indexOf(one) !== at),
    tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    broken: [...document.images].filter((one) => one.complete && !one.naturalWidth)
      .map((one) => one.src),
  };
}"""


class Authenticator:
    """An app that shows codes. It shows none twice, as the registrar takes none twice."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP("".join(secret.split()))
        self._last = 0

    def code(self) -> str:
        """Return the next code: the clock of a telephone may differ by one step."""
        now = int(time.time()) // _STEP_SECONDS
        self._last = max(self._last + 1, now - 1)
        assert self._last <= now + 1, "more codes than steps of time"
        return self._totp.generate_otp(self._last)


class Person:
    """A browser with cookies of its own, and who sits at it."""

    def __init__(
        self, browser: Browser, town: Town, album: Album, email: str = "", *, scripts: bool = True
    ) -> None:
        self.town = town
        self.email = email
        self.scripts = scripts
        self.authenticator: Authenticator | None = None
        self._album = album
        self.context: BrowserContext = browser.new_context(
            base_url=town.url,
            viewport=DESKTOP,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(_PATIENCE_MS)
        self.complaints: list[str] = []
        self._listen()
        self.page: Page = self.context.new_page()

    def _listen(self) -> None:
        complain = self.complaints.append
        self.context.on("console", lambda one: complain(one.text) if one.type == "error" else None)
        self.context.on("weberror", lambda one: complain(str(one.error)))
        self.context.on("requestfailed", self._on_failed_request)

    def _on_failed_request(self, request: Request) -> None:
        # What is given up because one goes on, or becomes a file, has not failed.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    # -- going about ---------------------------------------------------------------------------

    def open(self, address: str, *, status: int = 200) -> None:
        """Go to an address, or open a link of a letter."""
        self.page.goto(address)
        self.look(status)

    def follow(self, link: str, *, within: Locator | None = None, exact: bool = False) -> None:
        """Follow a link of the page."""
        found = (within or self.main).get_by_role("link", name=link, exact=exact).first
        with self.page.expect_navigation():
            found.click()
        self.look()

    def press(
        self, button: str, *, within: Locator | None = None, exact: bool = False, status: int = 200
    ) -> None:
        """Press a button that sends a form."""
        found = (within or self.main).get_by_role("button", name=button, exact=exact)
        with self.page.expect_navigation():
            found.click()
        self.look(status)

    def fill(self, form: Mapping[str, str], *, within: Locator | None = None) -> None:
        """Fill fields in, by their names."""
        place = within or self.main
        for name, value in form.items():
            field = place.locator(f'[name="{name}"]')
            kind = field.first.evaluate("one => one.type")
            if kind == "radio":
                place.locator(f'[name="{name}"][value="{value}"]').check()
            elif kind == "checkbox":
                field.set_checked(value == "on")
            elif kind.startswith("select"):
                field.select_option(value)
            else:
                field.fill(value)

    def download(self, link: str, *, within: Locator | None = None) -> bytes:
        """Follow a link to a file, and return what is in it."""
        with self.page.expect_download() as waiting:
            (within or self.main).get_by_role("link", name=link).first.click()
        got: Download = waiting.value
        return got.path().read_bytes()

    def wait_for(self, text: str, *, seconds: float = _TEST_SECONDS) -> None:
        """Load the page again until it has a text in it."""
        end = time.monotonic() + seconds
        while not self.main.get_by_text(text).first.is_visible():
            assert time.monotonic() < end, f"{self.page.url} does not say {text!r}"
            self.page.reload()
            self.look()

    # -- looking -------------------------------------------------------------------------------

    @property
    def main(self) -> Locator:
        """The page's own part."""
        return self.page.locator(".page")

    @property
    def path(self) -> str:
        """Where one is, without query and fragment."""
        return urlsplit(self.page.url).path

    def says(self, text: str) -> bool:
        """Tell whether the page says something, to a reader."""
        return self.main.get_by_text(text).first.is_visible()

    def heading(self) -> str:
        """Return the page's heading."""
        return " ".join(self.page.locator("h1").inner_text().split())

    def look(self, status: int = 200) -> None:
        """Assert that the page is as each page should be, and that the browser is content."""
        facts: dict[str, Any] = self.page.evaluate(_FACTS)
        where = self.page.url
        assert facts["status"] == status, (where, facts, self.main.inner_text()[:2000])
        assert facts["language"] == "en", where
        assert facts["title"], where
        assert facts["headings"] == 1, where
        assert facts["doubled"] == [], where
        assert facts["broken"] == [], where
        assert facts["tooWide"] <= 0, where
        if status >= 400:
            # Chromium calls each page with such a status an error.
            self.forgive(f"status of {status}")
        assert self.complaints == [], (where, self.complaints)

    def forgive(self, words: str) -> None:
        """Pass over one complaint with some words, if there is one."""
        found = [one for one in self.complaints if words in one]
        if found:
            self.complaints.remove(found[0])

    def picture(self, name: str, *, phone: bool = False) -> None:
        """Take a screenshot of the page."""
        self._album.take(self.page, name, phone=phone)

    # -- accounts ------------------------------------------------------------------------------

    def sign_up(self, name: str) -> None:
        """Make an account, and confirm the address by the link in the letter."""
        self.open("/sign-up")
        self.fill({"name": name, "email": self.email, "password": PASSWORD})
        self.press("Sign up")
        self.open(self.town.mailbox.link(self.email, "confirm your e-mail address"))
        self.fill({"password": PASSWORD})
        self.press("Confirm and sign in")
        assert self.heading() == "My servers"

    def sign_in(self) -> None:
        """Sign in by password, and by code where there is an authenticator."""
        if self.path != "/sign-in":
            self.open("/sign-in")
        self.fill({"email": self.email, "password": PASSWORD})
        self.press("Sign in", exact=True)
        if self.authenticator is not None:
            assert self.heading() == "Second factor"
            self.fill({"code": self.authenticator.code()})
            self.press("Continue")

    def sign_out(self) -> None:
        """Sign out by the menu."""
        self.page.locator(".person-button").click()
        menu = self.page.locator("#person-menu")
        self.press("Sign out", within=menu)
        assert self.heading() == "Sign in"
