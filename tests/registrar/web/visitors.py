"""Visitors of the website under test: each a browser with cookies of its own.

def test_a_screener_sees_the_queue(site: Site) -> None:
    screener = site.visitor(Role.SCREENER)
    page = screener.get("/staff/screening")
    screener.post("/staff/screening/4", {"decision": "clean"})   # adds the form's token
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from httpx import Response
from starlette.testclient import TestClient

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations import sessions
from countersign.registrar.operations.office import Office
from countersign.registrar.web.app import make_app
from countersign.registrar.web.session import csrf_token_of
from countersign.rules.roles import STAFF, Role
from countersign.storage.database.accounts import Account, AccountRole

_numbers = itertools.count(1)


def add_account(office: Office, *roles: Role, name: str = "", password_hash: str = "") -> int:
    """Add an account with roles; return its key."""
    number = next(_numbers)
    with office.work() as work:
        account = Account(
            email=f"person{number}-{secrets.token_hex(4)}@people.example",
            name=name or f"Person {number}",
            password_hash=password_hash,
            created_at=work.now,
            email_confirmed_at=work.now,
        )
        account.roles = [
            AccountRole(role=role, granted_at=work.now) for role in roles if role is not Role.OWNER
        ]
        work.session.add(account)
        work.session.flush()
        return account.id


def with_config(office: Office, **changes: Any) -> Office:
    """Return the office with other settings; a section's are given as a dict."""
    fields = office.config.model_dump()
    for name, value in changes.items():
        fields[name] = {**fields[name], **value} if isinstance(value, dict) else value
    return dataclasses.replace(office, config=RegistrarConfig(**fields))


class Visitor:
    """One browser. ``account_id`` is 0 for a visitor that has not signed in."""

    def __init__(self, app: Any, url: str, account_id: int = 0) -> None:
        self.account_id = account_id
        self.origin = url
        self.client = TestClient(
            app, base_url=url, follow_redirects=False, raise_server_exceptions=True
        )

    def get(self, path: str, **options: Any) -> Response:
        """Look at a page."""
        return self.client.get(path, **options)

    def post(
        self,
        path: str,
        data: dict[str, Any] | None = None,
        *,
        page: str = "/sign-in",
        **options: Any,
    ) -> Response:
        """Send a form as the browser would: with the session's token, from a page of the site."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        headers |= {"Referer": f"{self.origin}{page}", **options.pop("headers", {})}
        fields = {"csrf_token": self.token(), **(data or {})}
        return self.client.post(path, data=fields, headers=headers, **options)

    def token(self) -> str:
        """Return the token of this browser's forms."""
        if not self.cookie:
            self.client.get("/sign-in")
        return csrf_token_of(self.cookie)

    @property
    def _cookie_name(self) -> str:
        return "__Host-session" if self.origin.startswith("https") else "session"

    @property
    def cookie(self) -> str:
        """The session's cookie; empty: none."""
        return self.client.cookies.get(self._cookie_name, "") or ""

    def take_cookie(self, cookie: str) -> None:
        """Have another session's cookie."""
        host = urlsplit(self.origin).hostname or ""
        # A name without a dot is known to the standard library's jar by this one.
        domain = host if "." in host else f"{host}.local"
        self.client.cookies.set(self._cookie_name, cookie, domain=domain)


@dataclass
class Site:
    """The website of an office under test."""

    office: Office
    app: Any = None
    """The application; by default the website alone, without the API."""

    def __post_init__(self) -> None:
        self.app = self.app or make_app(self.office)

    def anonymous(self) -> Visitor:
        """Return a visitor that has not signed in."""
        return Visitor(self.app, self.office.config.url)

    def visitor(self, *roles: Role, account_id: int = 0, factor: str | None = None) -> Visitor:
        """Return a visitor that has signed in, with a new account unless one is given.

        factor: the second factor given; by default 'totp' for staff.
        """
        account_id = account_id or add_account(self.office, *roles)
        with self.office.work() as work:
            account = work.session.get_one(Account, account_id)
            staff = any(one.role in STAFF for one in account.roles)
            given = ("totp" if staff else "") if factor is None else factor
            cookie = sessions.begin(work, account, factor=given, device="Test")
        made = Visitor(self.app, self.office.config.url, account_id)
        made.take_cookie(cookie)
        return made
