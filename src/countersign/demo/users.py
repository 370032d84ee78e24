"""The users of the demo's server alpha, set up as its administrator does it: by commands."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import secrets
import sys
from dataclasses import dataclass, field

from countersign.demo.world import ALPHA, DemoError, World

_PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class User:
    """A user and the password."""

    name: str
    password: str = field(default_factory=lambda: "-".join(secrets.token_hex(3) for _ in range(3)))


class DemoUsers:
    """Alice, a newsletter that may send to many, and the administrator."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.alice = User(ALPHA.user)
        self.newsletter = User("newsletter")
        self.administrator = User("postmaster")

    async def add(self) -> None:
        """Add them, before or while the gateway runs. Raises :class:`DemoError`."""
        for user in (self.alice, self.newsletter, self.administrator):
            await self.command("users", "add", user.name, "--password-stdin", say=user.password)
        await self.command("users", "administrator", self.administrator.name, "on")
        await self.command("keys", "make")

    async def begin(self) -> None:
        """Do what needs the registration: publish the keys, register the privileged user."""
        await self.command("keys", "publish")
        for key in json.loads(await self.command("keys", "list", "--json")):
            name = f"{key['selector']}._domainkey.{ALPHA.name}"
            self._world.dns.set(name, "TXT", _strings(key["record"]), ttl=5)
        await self.command("keys", "activate")
        today = datetime.datetime.now(datetime.UTC).date()
        accepted = ("--accepted", today.isoformat())
        await self.command("users", "privilege", self.newsletter.name, *accepted)

    async def command(self, *arguments: str, say: str = "") -> str:
        """Run a command on alpha's configuration; return what it prints.

        say: what it reads. Raises :class:`DemoError`.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "countersign", *arguments),
            *("--config", str(self._world.config_file(ALPHA))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200"},
        )
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                output, _ = await process.communicate(f"{say}\n".encode() if say else b"")
        except TimeoutError:
            process.kill()
            await process.wait()
            raise DemoError(f"countersign {' '.join(arguments)} did not end") from None
        text = output.decode(errors="replace")
        if process.returncode:
            raise DemoError(f"countersign {' '.join(arguments)}: {text.strip()}")
        return text


def _strings(text: str) -> str:
    """Return a text as the data of a TXT record, in strings of 255 characters at most."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))
