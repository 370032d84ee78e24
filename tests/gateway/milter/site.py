"""A milter in the test's own process, with real stores, keys and sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dkim

from countersign.gateway.config import Config
from countersign.gateway.milter.service import MilterService
from countersign.gateway.parts import Parts, open_parts
from countersign.gateway.submission.key_file import KeyKind
from countersign.gateway.submission.keys import KeyStore
from countersign.gateway.submission.parts import SubmissionParts

HOSTNAME = "mail.alpha.example"


def settings_of(directory: Path, **changes: dict[str, Any]) -> dict[str, Any]:
    (directory / "registry.toml").write_text("server = []\n")
    settings: dict[str, Any] = {
        "hostname": HOSTNAME,
        "state_directory": directory / "state",
        "receiving": {"enabled": False},
        "sending": {"enabled": False},
        "milter": {"enabled": True},
        "limits": {"recipients_per_message": 5, "recipients_per_day": 12},
        "administrator": {"contact": "https://alpha.example/ask?for=100%25"},
        "registry": {"kind": "file", "path": directory / "registry.toml"},
    }
    for section, values in changes.items():
        settings[section] = settings.get(section, {}) | values
    return settings


def make_keys(state: Path) -> dict[bytes, bytes]:
    """Let one key of each kind sign; return the TXT records by name, as dkimpy asks for them."""
    store = KeyStore(state / "submission" / "keys")
    records = {}
    for kind in KeyKind:
        key = store.make(kind, time.time())
        store.publish(key.selector, time.time())
        store.activate(key.selector, time.time())
        records[f"{key.selector}._domainkey.{HOSTNAME}.".encode()] = key.record.encode()
    return records


def signatures_hold(message: bytes, records: dict[bytes, bytes]) -> list[bool]:
    """Whether each DKIM-Signature of a message holds, by dkimpy, from the top."""
    verifier = dkim.DKIM(message, minkey=1024)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name)

    return [bool(dkim.DKIM(message).verify(idx=index, dnsfunc=ask)) for index in range(count)]


class MilterSite:
    def __init__(self, directory: Path, **changes: dict[str, Any]) -> None:
        self.config = Config.model_validate(settings_of(directory, **changes))
        self.parts: Parts
        self.service: MilterService
        self.port = 0

    @property
    def submission(self) -> SubmissionParts:
        assert self.parts.submission is not None
        return self.parts.submission

    async def used(self, user: str = "alice") -> int:
        return await self.submission.tables.used(user, time.time())

    async def journal_rows(self) -> int:
        return (await self.submission.journal.verify()).rows


@asynccontextmanager
async def milter_site(
    directory: Path, *, progress_seconds: float = 10, port: int = 0, **changes: dict[str, Any]
) -> AsyncIterator[MilterSite]:
    site = MilterSite(directory, **changes)
    site.parts = open_parts(site.config)
    site.service = MilterService(site.parts, progress_seconds=progress_seconds)
    await site.service.start()
    server = await asyncio.get_running_loop().create_server(
        site.service.protocol, "127.0.0.1", port
    )
    site.port = int(server.sockets[0].getsockname()[1])
    try:
        yield site
    finally:
        server.close()
        await site.service.drain(2)
        await site.parts.close()
