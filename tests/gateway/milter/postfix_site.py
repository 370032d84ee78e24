"""A Postfix whose users submit mail to it, with our milter as `setup postfix` prints it."""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from countersign.cli.submission_snippets import postfix_milter
from countersign.gateway.config import Config
from countersign.transport.certificate import make_self_signed
from tests.gateway.milter.site import settings_of
from tests.gateway.world import client_tls, free_port
from tests.peers.dovecot import Dovecot
from tests.peers.postfix import Postfix, skip_without_postfix

PASSWORDS = {"alice": "wonderland", "bob": "builder"}
SENDER = "alice@alpha.example"
RECIPIENT = "user@alpha.example"
FOR_POSTFIX = """\
service auth {
  unix_listener for-postfix {
    mode = 0666
  }
}
"""
LOOSE = """\
127.0.0.1:{port} inet n - n - - smtpd
    -o smtpd_tls_security_level=may
    -o smtpd_tls_auth_only=no
    -o smtpd_sasl_auth_enable=yes
    -o mynetworks=127.0.0.0/8
    -o smtpd_relay_restrictions=permit_mynetworks,reject
    -o smtpd_milters={milter}
    -o milter_default_action=tempfail
"""


def skip_without_programs() -> None:
    """Skip with the reason; in CI a missing program is a failure."""
    skip_without_postfix()
    if shutil.which("dovecot"):
        return
    if os.environ.get("CI") == "true":
        pytest.fail("dovecot is not installed (.ci/install-packages)")
    pytest.skip("dovecot is not installed")


@dataclass
class PostfixSite:
    postfix: Postfix
    starttls: int
    """Port of the service 'submission'."""
    tls: int
    """Port of the service 'submissions'."""
    loose: int
    """Port of a service that leaves everything to the milter."""


@contextmanager
def postfix_site(
    directory: Path, milter: int | str, *, hostname: str = "mx.alpha.example", **main: Any
) -> Iterator[PostfixSite]:
    """``milter``: its port of 127.0.0.1, or unix:/path."""
    endpoint = milter if isinstance(milter, str) else f"127.0.0.1:{milter}"
    pair = directory / "pair.pem"
    pair.write_bytes(make_self_signed(hostname))
    listen = {"enabled": True, "listen": [endpoint]}
    config = Config.model_validate(settings_of(directory, milter=listen))
    starttls, tls, loose, incoming = (free_port() for _ in range(4))
    services = postfix_milter(config).replace("\nsubmission inet", f"\n127.0.0.1:{starttls} inet")
    services = services.replace("\nsubmissions inet", f"\n127.0.0.1:{tls} inet")
    services += LOOSE.format(
        port=loose, milter=endpoint if isinstance(milter, str) else f"inet:{endpoint}"
    )
    domain = hostname.partition(".")[2]
    with Dovecot(PASSWORDS, mechanisms="plain login", settings=FOR_POSTFIX) as dovecot:
        settings = {
            "smtpd_tls_chain_files": pair,
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": dovecot.socket.with_name("for-postfix"),
            "virtual_mailbox_maps": f"static:{domain}/user/",
            # Our clients' address is Postfix's own, which alone would make them local ones.
            "local_header_rewrite_clients": "",
        } | main
        with Postfix(
            hostname, f"127.0.0.1:{incoming}", settings=settings, services=services
        ) as postfix:
            yield PostfixSite(postfix, starttls, tls, loose)


class Client:
    """A user's mail program, each of its steps in a thread."""

    def __init__(self, port: int, *, wrapped: bool = False) -> None:
        self._port = port
        self._wrapped = wrapped
        self.smtp: smtplib.SMTP

    async def __aenter__(self) -> Client:
        await self.do(self._connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.do(self.smtp.close)

    def _connect(self) -> None:
        if self._wrapped:
            self.smtp = smtplib.SMTP_SSL("127.0.0.1", self._port, context=client_tls(), timeout=60)
        else:
            self.smtp = smtplib.SMTP("127.0.0.1", self._port, timeout=60)
        self.smtp.ehlo()

    async def do(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.to_thread(call, *arguments)

    async def sign_in(self, user: str = "alice", *, tls: bool = True) -> None:
        if tls and not self._wrapped:
            await self.do(lambda: self.smtp.starttls(context=client_tls()))
        await self.do(self.smtp.login, user, PASSWORDS[user])

    async def command(self, line: str) -> tuple[int, str]:
        code, words = await self.do(self.smtp.docmd, line)
        return code, words.decode()

    async def content(self, content: bytes) -> tuple[int, str]:
        """Send what follows a 354, as it is but for the dots; return the reply."""
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
        await self.do(self.smtp.send, stuffed + end)
        code, words = await self.do(self.smtp.getreply)
        return code, words.decode()

    async def message(
        self, content: bytes, recipients: Sequence[str] = (RECIPIENT,), *, extra: str = ""
    ) -> tuple[int, str]:
        """The first reply that refuses, or the last."""
        lines = [f"MAIL FROM:<{SENDER}>{extra}", *(f"RCPT TO:<{one}>" for one in recipients)]
        for line in (*lines, "DATA"):
            code, words = await self.command(line)
            if code >= 400:
                await self.command("RSET")
                return code, words
        return await self.content(content)
