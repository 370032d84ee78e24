"""The pages' real service on a loopback port, with real stores, and visitors without scripts."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from countersign.gateway.config import Config
from countersign.gateway.pages.service import serve
from countersign.gateway.submission.passwords import make_credentials
from countersign.mail.stamp import new_id
from countersign.storage.submission.account_rows import Deed, NewUser
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.entries import Entry, Front
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.local import LocalSubmissionTables
from countersign.storage.submission.tables import SignInFailure
from tests.gateway.world import free_port

PASSWORD = "a long wooden boat"
_CREDENTIALS = make_credentials(PASSWORD, 4096)
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Clock:
    """A clock that goes on, and can be put forward."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class House:
    """A mail server's pages, and what they show."""

    config: Config
    tables: LocalSubmissionTables
    accounts: Accounts
    journal: Journal
    clock: Clock = field(default_factory=Clock)

    @property
    def url(self) -> str:
        return f"http://{self.config.pages.listen}"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        """Serve the pages until the block ends."""
        serving = asyncio.create_task(
            serve(self.config, self.tables, self.accounts, self.journal, clock=self.clock)
        )
        try:
            await self._wait(serving)
            yield self
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            await self.journal.aclose()
            await self.accounts.aclose()
            await self.tables.aclose()

    async def _wait(self, serving: asyncio.Task[None]) -> None:
        host, _, port = self.config.pages.listen.rpartition(":")
        for _ in range(200):
            if serving.done():
                serving.result()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the pages do not answer")

    # -- what happened -------------------------------------------------------------------------

    async def user(self, name: str, *, administrator: bool = False) -> None:
        """Add a user, whose password is PASSWORD."""
        new = NewUser(name, _CREDENTIALS, is_administrator=administrator)
        await self.accounts.add([new], Deed("test", self.clock()))

    async def sent(self, user: str, recipients: int, *, hours_ago: float = 0.0) -> None:
        """Let a message be counted and written down; to be called for the oldest first."""
        at = self.clock() - hours_ago * 3600
        limit = self.config.limits.recipients_per_day
        await self.tables.reserve(user, recipients, limit, at)
        number = (await self.journal.head()).number
        await self.journal.append(
            Entry(
                new_id(number.to_bytes(16, "big")),
                at,
                user,
                recipients,
                "198.51.100.7",
                48_200,
                bytes(32),
                Front.LISTENER,
            )
        )

    async def failed(self, user: str, network: str, count: int = 1) -> None:
        """Let sign-ins fail elsewhere."""
        for number in range(count):
            at = self.clock() - 60 * number
            await self.tables.failed(SignInFailure(at, user, network, "password"))

    def visitor(self) -> Visitor:
        """Return a browser of its own."""
        return Visitor(httpx.AsyncClient(base_url=self.url, timeout=30))


def make_house(directory: Path, **changes: Any) -> House:
    """Make a house; it is not open yet. changes: sections of the configuration."""
    pages = {"listen": f"127.0.0.1:{free_port()}", **changes.pop("pages", {})}
    config = Config.model_validate(
        {
            "hostname": "mail.harbour.example",
            "state_directory": directory,
            "registry": {"kind": "file"},
            "administrator": {"contact": "help@harbour.example"},
            "pages": pages,
            **changes,
        }
    )
    stores = directory / "submission"
    return House(config, LocalSubmissionTables(stores), Accounts(stores), Journal(stores))


@dataclass
class Visitor:
    """A browser without scripts, with cookies of its own."""

    client: httpx.AsyncClient

    async def get(self, path: str, **keywords: Any) -> httpx.Response:
        return await self.client.get(path, **keywords)

    async def post(
        self, path: str, fields: dict[str, str], *, seen_at: str = "/", **keywords: Any
    ) -> httpx.Response:
        """Send a form, with the token of the page that it stands on."""
        token = await self.token(seen_at)
        return await self.client.post(path, data={"csrf_token": token, **fields}, **keywords)

    async def token(self, path: str) -> str:
        """Return the token that the forms of a page carry."""
        page = await self.client.get(path, follow_redirects=True)
        found = _TOKEN.search(page.text)
        assert found, page.text
        return found[1]

    async def sign_in(
        self, user: str, password: str = PASSWORD, *, going: str = "/"
    ) -> httpx.Response:
        """Send the form."""
        fields = {"user": user, "password": password, "next": going}
        return await self.post("/sign-in", fields, seen_at="/sign-in")
