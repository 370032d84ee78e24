"""The demo's acts of submission: users who sign in, their limits, and a stolen password."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import smtplib
import ssl
from collections.abc import Callable, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from functools import partial
from pathlib import Path

from countersign.demo.act import Act, ok, refused_at
from countersign.demo.actors import Attempt
from countersign.demo.cast import Cast
from countersign.demo.users import DemoUsers, User
from countersign.demo.world import ALPHA, BETA, GAMMA, SUBMISSION_PORT, World
from countersign.mail.stamp import FIELD_NAME, parse_stamp

_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.1
_BURST = 50
"""Recipients of one message: as many as a user may have."""
_DAY = 300


class SubmissionActs:
    """What users of alpha, and others, try at its submission listener."""

    def __init__(self, world: World, cast: Cast, users: DemoUsers) -> None:
        self._world = world
        self._cast = cast
        self._users = users
        self._got_out = 0
        """Recipients that the thief's messages went to."""

    def acts(self) -> list[Act]:
        """Return the acts, in order."""
        alice, news = self._users.alice, self._users.newsletter
        thief = f"a thief with {alice.name}'s password"
        administrator = f"{ALPHA.domain}'s administrator"
        return [
            Act(
                f"{alice.name}, signed in",
                f"mail to {BETA.mailbox}, through {ALPHA.name}",
                lambda: self._submit(alice, [BETA.mailbox]),
                ok,
            ),
            Act(
                "somebody without a password",
                "the same",
                lambda: self._submit(None, [BETA.mailbox]),
                refused_at("MAIL", "530"),
            ),
            Act(
                alice.name,
                f"a message to {_BURST + 1} recipients",
                lambda: self._submit(alice, _crowd(_BURST + 1)),
                refused_at("RCPT", "550"),
            ),
            Act(
                f"{news.name}, a privileged user",
                f"a message to {_BURST + 1} recipients",
                lambda: self._submit(news, _crowd(_BURST + 1)),
                ok,
            ),
            Act(thief, f"message after message, to {_BURST} each", self._steal, self._is_stopped),
            Act(
                administrator,
                "letter about it",
                self._read_letter,
                lambda attempt: alice.name in attempt.answer and attempt.received > 0,
            ),
            Act(
                administrator,
                f"to trace a message that {BETA.user} has got",
                self._trace,
                lambda attempt: attempt.answer == alice.name,
            ),
            Act(
                f"{alice.name}, unlocked",
                f"mail to {BETA.mailbox}",
                self._send_unlocked,
                ok,
            ),
        ]

    # -- sending -------------------------------------------------------------------------------

    async def _submit(self, user: User | None, recipients: Sequence[str]) -> Attempt:
        before = self._octets()
        stage, answer = await asyncio.to_thread(_submit, user, recipients)
        return Attempt(stage, answer, self._octets() - before)

    async def _steal(self) -> Attempt:
        """Send until it is refused; the first messages are taken."""
        while self._got_out <= 2 * _DAY:
            stage, answer = await asyncio.to_thread(_submit, self._users.alice, _crowd(_BURST))
            if not answer.startswith("250"):
                return Attempt(stage, f"{self._got_out} recipients, then {answer}")
            self._got_out += _BURST
        return Attempt("end of data", f"{self._got_out} recipients, and no end")

    def _is_stopped(self, attempt: Attempt) -> bool:
        return "550 5.7.28" in attempt.answer and 0 < self._got_out <= _DAY

    async def _send_unlocked(self) -> Attempt:
        await self._users.command("users", "unlock", self._users.alice.name)
        return await self._submit(self._users.alice, [BETA.mailbox])

    # -- the administrator ---------------------------------------------------------------------

    async def _read_letter(self) -> Attempt:
        """Wait for the letter that tells of the lock."""
        directory = self._world.mailbox(ALPHA, self._users.administrator.name) / "new"
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not (letters := sorted(directory.glob("*"))):
                await asyncio.sleep(_POLL_SECONDS)
        octets = letters[-1].read_bytes()
        subject = str(message_from_bytes(octets, policy=SMTP)["Subject"])
        return Attempt("mailbox", subject, len(octets))

    async def _trace(self) -> Attempt:
        """Ask the journal who sent what a receiver has."""
        found = next(filter(None, map(_stamp_of, reversed(self._world.received(BETA)))), None)
        if found is None:
            return Attempt("journal", "no message has a stamp")
        text = await self._users.command("admin", "trace", found, "--json")
        return Attempt("journal", str(json.loads(text)[0]["user"]))

    def _octets(self) -> int:
        at_beta = sum(path.stat().st_size for path in self._world.received(BETA))
        return at_beta + self._cast.octets_received


def _submit(user: User | None, recipients: Sequence[str]) -> tuple[str, str]:
    """Submit a message as any mail program does; return where it ended, and the reply."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP(
        ALPHA.address, SUBMISSION_PORT, local_hostname="laptop.localhost", timeout=60
    ) as client:
        client.starttls(context=tls)
        client.ehlo()
        if user is not None:
            client.login(user.name, user.password)
        steps: list[tuple[str, Callable[[], tuple[int, bytes]]]] = [
            ("MAIL", partial(client.mail, ALPHA.mailbox)),
            *(("RCPT", partial(client.rcpt, recipient)) for recipient in recipients),
        ]
        for stage, step in steps:
            code, words = step()
            if code >= 400:
                return stage, _text(code, words)
        with contextlib.suppress(smtplib.SMTPDataError):
            return "end of data", _text(*client.data(_letter(recipients[0])))
        return "end of data", "refused"


def _text(code: int, words: bytes) -> str:
    return f"{code} {words.decode(errors='replace')}"


def _letter(recipient: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = ALPHA.mailbox
    message["To"] = recipient
    message["Subject"] = "Submitted with a password"
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = f"<{secrets.token_hex(8)}@{ALPHA.domain}>"
    message.set_content("This message bears a stamp that leads back to its sender.\n")
    return message.as_bytes()


def _crowd(number: int) -> list[str]:
    return [f"reader{index}@{GAMMA.domain}" for index in range(number)]


def _stamp_of(path: Path) -> str:
    message = message_from_bytes(path.read_bytes(), policy=SMTP)
    value = message[FIELD_NAME]
    return parse_stamp(str(value)).id if value else ""
