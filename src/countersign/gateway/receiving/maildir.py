"""Delivery to Maildirs where there is no MTA: tmp, fsync, new (https://cr.yp.to/proto/maildir.html).

A message is acknowledged only when each recipient's copy is named in new/ and the directory
itself is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import IO

import structlog

from countersign.gateway.backend.interface import ClientFacts
from countersign.gateway.backend.settings import Backend as BackendSettings
from countersign.protocol.address import Mailbox
from countersign.protocol.command import Envelope
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server import OK

log = structlog.get_logger()

NO_SUCH_USER = reply(550, "5.1.1", "No such mailbox here")
NOT_HERE = reply(550, "5.7.1", "Not a domain of this host")
DISK_TROUBLE = reply(451, "4.3.0", "The message could not be stored, try later")
_SAFE_LOCAL_PART = re.compile(r"[a-z0-9_][a-z0-9._=-]*\Z")


class MaildirBackend:
    """The Maildirs of this host's domains."""

    def __init__(self, settings: BackendSettings, hostname: str) -> None:
        self._template = settings.maildir
        self._domains = settings.domains
        self.hostname = hostname

    @property
    def parameters(self) -> frozenset[str]:
        """A Maildir takes any octets and any address."""
        return frozenset({"SIZE", "BODY", "SMTPUTF8"})

    def session(self) -> MaildirSession:
        """Return a session for one client."""
        return MaildirSession(self)

    async def start(self) -> None:
        """Nothing is to be learnt."""

    async def close(self) -> None:
        """Nothing is kept open."""

    def find(self, mailbox: Mailbox) -> Path | Reply:
        """Return a recipient's Maildir, or why there is none."""
        domain = mailbox.domain or self._domains[0]
        if domain not in self._domains:
            return NOT_HERE
        local_part = mailbox.local_part.strip('"').lower().partition("+")[0]
        # The name becomes part of a path: whatever is not plainly a name is no mailbox.
        if not _SAFE_LOCAL_PART.match(local_part):
            return NO_SUCH_USER
        path = Path(self._template.format(domain=domain, local_part=local_part))
        return path if path.parent.is_dir() else NO_SUCH_USER


class MaildirSession:
    """One client's transactions."""

    one_recipient = False

    def __init__(self, backend: MaildirBackend) -> None:
        self._backend = backend
        self._maildirs: list[Path] = []
        self._sender = ""
        self._copy: tuple[IO[bytes], Path] | None = None
        self._failed = False

    async def mail(self, client: ClientFacts, envelope: Envelope) -> Reply:
        """Begin a transaction."""
        self._maildirs = []
        self._sender = str(envelope.mailbox) if envelope.mailbox is not None else ""
        return OK

    async def rcpt(self, envelope: Envelope) -> Reply:
        """Accept a recipient whose mailbox is here."""
        found = self._backend.find(envelope.mailbox or Mailbox("", ""))
        if isinstance(found, Reply):
            return found
        if found not in self._maildirs:
            self._maildirs.append(found)
        return reply(250, "2.1.5", "Ok")

    async def data(self) -> Reply:
        """Open the first copy in tmp/."""
        self._failed = False
        try:
            self._copy = self._open_copy(self._maildirs[0])
            self._copy[0].write(f"Return-Path: <{self._sender}>\r\n".encode())
        except OSError as error:
            log.error("maildir not writable", reason=str(error.strerror))
            await self.abandon()
            return DISK_TROUBLE
        return reply(354, "", "End data with <CR><LF>.<CR><LF>")

    async def content(self, data: bytes) -> None:
        """Write a piece of the content."""
        if self._copy is None or self._failed:
            return
        try:
            self._copy[0].write(data)
        except OSError as error:
            log.error("maildir not writable", reason=str(error.strerror))
            self._failed = True

    async def end_of_content(self) -> Reply:
        """Bring all copies to the disk and name them in new/."""
        copy, self._copy = self._copy, None
        if copy is None:
            return DISK_TROUBLE
        maildirs, self._maildirs = self._maildirs, []
        if self._failed:
            _discard(copy)
            return DISK_TROUBLE
        return await asyncio.to_thread(self._deliver, copy, maildirs)

    async def keep_alive(self) -> None:
        """Nothing here times out."""

    async def abandon(self) -> None:
        """Remove the copy in tmp/."""
        copy, self._copy = self._copy, None
        if copy is not None:
            _discard(copy)

    async def reset(self) -> None:
        """Forget the recipients."""
        self._maildirs = []

    async def close(self) -> None:
        """Leave nothing half written."""
        await self.abandon()

    def _open_copy(self, maildir: Path) -> tuple[IO[bytes], Path]:
        for name in ("tmp", "new", "cur"):
            (maildir / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        # Unique without looking: time, process, and 64 random bits.
        token = secrets.token_hex(8)
        name = f"{time.time():.6f}.P{os.getpid()}R{token}.{self._backend.hostname}"
        path = maildir / "tmp" / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if os.geteuid() == 0:
            owner = maildir.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return os.fdopen(descriptor, "wb"), path

    def _deliver(self, first: tuple[IO[bytes], Path], maildirs: list[Path]) -> Reply:
        copies = [first]
        named: list[Path] = []
        try:
            first[0].flush()
            for maildir in maildirs[1:]:
                copies.append(self._open_copy(maildir))
                with first[1].open("rb") as original:
                    shutil.copyfileobj(original, copies[-1][0])
            for file, _ in copies:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for _, path in copies:
                target = path.parent.parent / "new" / path.name
                path.rename(target)
                named.append(target)
            for target in named:
                _fsync_directory(target.parent)
        except OSError as error:
            log.error("maildir delivery failed", reason=str(error.strerror))
            for target in named:
                target.unlink(missing_ok=True)
            for copy in copies:
                _discard(copy)
            return DISK_TROUBLE
        return reply(250, "2.0.0", "Stored")


def _discard(copy: tuple[IO[bytes], Path]) -> None:
    with contextlib.suppress(OSError):
        copy[0].close()
    with contextlib.suppress(OSError):
        copy[1].unlink(missing_ok=True)


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
