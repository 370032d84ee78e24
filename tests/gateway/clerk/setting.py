"""What the clerk's tests have in common: a configuration, stores, accounts that get locked."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from countersign.gateway.clerk.notices import Notices
from countersign.gateway.config import Config
from countersign.mail.stamp import new_id
from countersign.storage.submission.entries import Entry, Front
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import Lock, SubmissionTables
from countersign.storage.submission.turn import open_turn

HOSTNAME = "mail.local.example"


def config_text(directory: Path, backend: str, *, url: str = "", extra: str = "") -> str:
    (directory / "registry.toml").write_text("server = []\n")
    return f"""\
hostname = "{HOSTNAME}"
state_directory = "{directory}/state"
{extra}
[receiving]
enabled = false
[sending]
enabled = false
[submission]
enabled = true
listen = []
listen_tls = []
[submission.backend]
address = "{backend}"
reply_timeout = 20
[administrator]
address = "admin@local.example"
[storage]
url = "{url}"
[registry]
kind = "file"
path = "{directory}/registry.toml"
"""


def make_config(directory: Path, backend: str, **settings: Any) -> Config:
    import tomllib

    return Config.model_validate(tomllib.loads(config_text(directory, backend, **settings)))


class Stores:
    """The stores of one host."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.directory = config.state_directory / "submission"
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        url = config.storage.url
        self.tables: SubmissionTables = open_submission_tables(url, self.directory)
        self.journal = Journal(self.directory)
        self.turn = open_turn(url, self.directory, "clerk")

    def notices(self) -> Notices:
        return Notices(self.config, self.tables, self.turn, self.journal.of_user)

    async def close(self) -> None:
        await self.turn.aclose()
        await self.journal.aclose()
        await self.tables.aclose()

    async def wait_until_told(self) -> None:
        async with asyncio.timeout(10):
            while await self.tables.untold():
                await asyncio.sleep(0.01)

    async def lock(self, user: str, *, used: int = 290, wanted: int = 20) -> Lock:
        """Send as much, then be locked by what is more than 300."""
        now = time.time()
        await self.tables.reserve(user, used, 300, now - 60)
        lock = await self.tables.reserve(user, wanted, 300, now)
        assert isinstance(lock, Lock)
        return lock


def entry(user: str, number: int, at: float, address: str, recipients: int = 1) -> Entry:
    return Entry(
        id=new_id(number.to_bytes(16, "big")),
        at=at,
        user=user,
        recipients=recipients,
        client_address=address,
        size=1000,
        body_hash=bytes(32),
        front=Front.LISTENER,
    )
